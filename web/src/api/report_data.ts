/** Measurements of a finished audit, read from the data of its report. */

import { wilsonInterval } from '../../../src/evaluate/intervals.ts';
import type { ReportData } from '../../../src/evaluate/report_data.ts';
import { ask } from './client.ts';
import type { Measured } from './types.ts';

/** Names of a target's attributes are joined so for a joint table, which has too many classes for bars. */
const JOINT = ' x ';

/**
 * The measurements of a report, each share with Wilson's interval over all images.
 * @param aimed names of the attributes that the target is about; the report compares others with a uniform one
 */
export function measuredOf(report: Pick<ReportData, 'evaluations'>, aimed: readonly string[]): Measured[] {
  return report.evaluations.map(({ label, attributes }) => {
    const single = attributes.filter(({ attribute }) => !attribute.includes(JOINT));
    const { images = 0, faces = 0, level = 0.95 } = single[0] ?? {};
    return {
      label,
      group: null,
      images,
      all: images,
      faces,
      level,
      attributes: single.map((result) => ({
        attribute: result.attribute,
        classes: [...result.classes],
        counts: countsOf(result),
        shares: result.faces === 0 ? result.classes.map(() => 0) : [...result.frequencies],
        intervals: countsOf(result).map((count) =>
          result.faces === 0 ? { low: 0, high: 1 } : wilsonInterval(count, result.faces, result.level),
        ),
        target: aimed.includes(result.attribute) ? [...result.target] : null,
      })),
    };
  });
}

function countsOf({ frequencies, faces }: ReportData['evaluations'][number]['attributes'][number]): number[] {
  return frequencies.map((share) => (faces === 0 ? 0 : Math.round(share * faces)));
}

/** Reads the data of a report. @throws ApiError */
export async function readReport(url: string, aimed: readonly string[]): Promise<readonly Measured[]> {
  const response = await ask('GET', url);
  return measuredOf((await response.json()) as ReportData, aimed);
}
