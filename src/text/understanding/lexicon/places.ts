/** Places that prompts are set in: continents, countries, cities, regions, landmarks. */

import { wordList } from './word_list.ts';

/** Keys of places; they count only where the prompt writes them with a capital letter. */
export const PLACES: ReadonlySet<string> = new Set(
  wordList`africa, asia, europe, north america, south america, america, australia, antarctica, oceania, latin america,
    middle east, the middle east, caribbean, scandinavia, mediterranean, balkans, siberia, sahara, himalayas, alps, andes,
    amazon, arctic, indian ocean, pacific ocean, atlantic ocean, pacific, atlantic, black forest, black sea, red sea,
    rocky mountains, grand canyon, mount fuji, mount everest, matterhorn, serengeti, kilimanjaro, patagonia, provence,
    tuscany, bavaria, andalusia, catalonia, normandy, highlands, scottish highlands, hawaii, bali, alaska, texas,
    california, florida, nevada, arizona, new mexico, oregon, montana, wyoming, utah, ohio, virginia, england, scotland,
    wales, ireland, britain, great britain, united kingdom, uk, united states, usa, us, canada, mexico, guatemala, honduras,
    nicaragua, costa rica, panama, cuba, jamaica, haiti, dominican republic, puerto rico, colombia, venezuela, ecuador,
    peru, bolivia, chile, argentina, uruguay, paraguay, brazil, france, spain, portugal, italy, germany, switzerland,
    austria, belgium, netherlands, the netherlands, luxembourg, denmark, sweden, norway, finland, iceland, poland,
    czech republic, czechia, slovakia, hungary, romania, bulgaria, greece, croatia, serbia, bosnia, slovenia, albania,
    ukraine, russia, belarus, lithuania, latvia, estonia, malta, cyprus, turkey, georgia, armenia, azerbaijan, syria,
    lebanon, jordan, israel, palestine, iraq, iran, saudi arabia, yemen, oman, qatar, dubai, kuwait, bahrain, egypt,
    morocco, algeria, tunisia, libya, sudan, ethiopia, eritrea, somalia, kenya, uganda, tanzania, rwanda, burundi, congo,
    angola, zambia, zimbabwe, mozambique, namibia, botswana, south africa, madagascar, malawi, nigeria, ghana, senegal, mali,
    niger, cameroon, ivory coast, liberia, sierra leone, gambia, afghanistan, pakistan, india, bangladesh, nepal, bhutan,
    sri lanka, maldives, china, tibet, mongolia, japan, south korea, north korea, korea, taiwan, hong kong, vietnam,
    thailand, cambodia, laos, myanmar, burma, malaysia, singapore, indonesia, philippines, the philippines, papua new
    guinea, new zealand, fiji, samoa, tonga, kazakhstan, uzbekistan, london, paris, berlin, madrid, barcelona, rome,
    venice, florence, milan, naples, vienna, zurich, geneva, amsterdam, brussels, copenhagen, stockholm, oslo, helsinki,
    warsaw, prague, budapest, bucharest, athens, lisbon, dublin, edinburgh, glasgow, manchester, liverpool, moscow,
    saint petersburg, st. petersburg, kyiv, istanbul, ankara, jerusalem, tel aviv, beirut, damascus, baghdad, tehran,
    mecca, cairo, alexandria, marrakesh, marrakech, casablanca, tunis, lagos, accra, dakar, nairobi, addis ababa,
    johannesburg, cape town, mumbai, bombay, delhi, new delhi, kolkata, calcutta, chennai, bangalore, varanasi, jaipur,
    karachi, lahore, dhaka, kathmandu, beijing, shanghai, hong kong, shenzhen, taipei, tokyo, kyoto, osaka, seoul, busan,
    hanoi, saigon, ho chi minh city, bangkok, manila, jakarta, kuala lumpur, sydney, melbourne, auckland, new york,
    new york city, nyc, brooklyn, manhattan, harlem, los angeles, hollywood, san francisco, chicago, boston, washington,
    seattle, miami, new orleans, las vegas, detroit, philadelphia, houston, dallas, denver, atlanta, toronto, montreal,
    vancouver, mexico city, havana, bogota, lima, quito, la paz, santiago, buenos aires, rio de janeiro, rio, sao paulo,
    brasilia, caracas, taj mahal, eiffel tower, big ben, white house, the white house, statue of liberty, colosseum,
    golden gate bridge, central park, times square, great wall, great wall of china, machu picchu, notre dame, red square,
    old town, niagara falls, wall street, broadway, mars, the moon, vatican, west indies, silicon valley, empire state
    building, buckingham palace, westminster, kremlin, acropolis, sistine chapel, louvre`,
);

/** Words that follow a preposition with a capital letter and are no places. */
export const NOT_PLACES: ReadonlySet<string> = new Set(
  wordList`christmas, halloween, easter, thanksgiving, ramadan, diwali, monday, tuesday, wednesday, thursday, friday,
    saturday, sunday, january, february, march, april, may, june, july, august, september, october, november, december,
    english, french, german, spanish, black, white, i, black friday`,
);
