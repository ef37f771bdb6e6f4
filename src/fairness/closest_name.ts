/** The known name that a misspelt one most likely meant, as the rooms after this one import it. */

export { closestName, editDistance } from '../text/closest_name.ts';
