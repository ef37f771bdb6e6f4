/** Occupations by their last word, and the compounds that need to be known whole. */

import type { PersonEntry } from './entries.ts';
import { pluralOf, wordList } from './word_list.ts';

const SINGLE_WORDS = wordList`accordionist, accountant, acrobat, actor, actuary, acupuncturist, acrobat, adjuster,
  administrator, advisor, adviser, agent, agronomist, aide, ambassador, analyst, anchor, anesthesiologist, animator,
  anthropologist, appraiser, apprentice, arbitrator, archaeologist, archer, architect, archivist, arborist, artisan,
  artist, assassin, assembler, assistant, astrologer, astronaut, astronomer, astrophysicist, athlete, attendant, attorney,
  auctioneer, audiologist, auditor, author, aviator, babysitter, bailiff, baker, ballplayer, banker, barback, barber,
  barista, barrister, bartender, bassist, beautician, beekeeper, biker, biochemist, biographer, biologist,
  biotechnologist, bishop, blacksmith, blaster, blogger, boatbuilder, bodybuilder, bodyguard, boilermaker, bookbinder,
  bookkeeper, bookseller, botanist, bouncer, boxer, breeder, brewer, bricklayer, broadcaster, broker, builder,
  bullfighter, butcher, butler, buyer, cadet, calligrapher, capitalist, captain, cardinal, cardiologist, caregiver,
  caretaker, caricaturist, carpenter, carrier, cartographer, cartoonist, cashier, caterer, cellist, celebrity, ceo,
  champion, chaplain, chauffeur, cheerleader, chef, chemist, chief, chiropractor, chocolatier, choreographer, cleaner,
  clerk, climber, clown, coach, cobbler, collector, colonel, columnist, comedian, commander, commentator, commissioner,
  competitor, composer, concierge, conductor, confectioner, conservator, constable, consul, consultant, contractor,
  controller, convict, cook, cooper, coordinator, copywriter, corporal, correspondent, cosmetologist, cosmonaut,
  councilor, councillor, counselor, counsellor, courier, courtier, craftsperson, cricketer, criminal, critic,
  cryptographer, curator, cutter, cyclist, dancer, deacon, dealer, dean, deckhand, decorator, defender, deliverer,
  demographer, dentist, deputy, dermatologist, designer, detective, developer, dietitian, digger, diplomat, director,
  dishwasher, dispatcher, distiller, diver, doctor, doorkeeper, draftsperson, dresser, dressmaker, driller, driver, druid,
  drummer, duster, ecologist, economist, editor, egyptologist, electrician, embalmer, embroiderer, employee, employer,
  engineer, engraver, entertainer, entomologist, entrepreneur, epidemiologist, examiner, executive, explorer, falconer,
  farmer, farmhand, farrier, fashionista, fencer, fighter, filmmaker, financier, firefighter, fisher, fishmonger, fitter,
  florist, flutist, flautist, foreperson, forester, fortune teller, framer, fundraiser, gambler, gamer, gangster, gardener,
  genealogist, general, geneticist, geographer, geologist, geophysicist, gladiator, glaciologist, glassblower, glazier,
  goalkeeper, golfer, goldsmith, governor, gravedigger, greengrocer, grocer, groomer, groundskeeper, grower, guard,
  guardian, guide, guitarist, gunsmith, gymnast, hacker, hairdresser, hairstylist, handler, harpist, healer, herbalist,
  herder, hiker, historian, hitchhiker, host, housekeeper, hunter, hydrologist, hygienist, hypnotist, illusionist,
  illustrator, imam, immunologist, influencer, innkeeper, inspector, installer, instructor, intern, interpreter,
  interviewer, inventor, investigator, investor, ironworker, jailer, janitor, jester, jeweler, jeweller, jockey, jogger,
  joiner, journalist, judge, juggler, juror, karateka, keeper, keyboardist, knight, knitter, laborer, labourer, landlord,
  landscaper, lawyer, layer, leatherworker, lecturer, librarian, lieutenant, lifeguard, linguist, lobbyist, locksmith,
  logger, lumberjack, lyricist, machinist, magician, magistrate, maker, manager, manicurist, manufacturer, marine, mason,
  masseur, mathematician, mayor, mechanic, mediator, medic, mentor, mercenary, merchant, messenger, metalworker,
  meteorologist, microbiologist, midwife, miller, milliner, mime, miner, minister, missionary, model, monarch,
  mountaineer, mover, mower, muralist, musician, musketeer, nanny, narrator, navigator, neurologist, neuroscientist,
  newsagent, ninja, notary, novelist, novice, nurse, nutritionist, officer, official, oncologist, operator, ophthalmologist,
  optician, optometrist, orator, organist, organizer, ornithologist, orthodontist, osteopath, outlaw, packer,
  painter, paleontologist, paralegal, paramedic, paratrooper, pastor, pathologist, patroller, paver, pawnbroker,
  peacekeeper, peasant, peddler, pediatrician, performer, periodontist, pharmacist, pharmacologist, philosopher,
  phlebotomist, photographer, photojournalist, physician, physicist, physiotherapist, pianist, picker, pilgrim, pilot,
  pipefitter, pirate, planner, planter, plasterer, player, playwright, plumber, podcaster, podiatrist, poet, policymaker,
  polisher, politician, pollster, porter, potter, practitioner, preacher, presenter, president, priest, primatologist,
  principal, printmaker, printer, producer, professor, programmer, projectionist, proofreader, prosecutor, prosthetist,
  psychiatrist, psychologist, publisher, puppeteer, quilter, rabbi, racer, radiologist, rancher, ranger, rapper, reader,
  realtor, receptionist, recruit, recruiter, referee, repairer, reporter, rescuer, researcher, restorer, retailer, rider,
  roaster, robber, rower, roofer, ruler, runner, sailor, saint, salesperson, samurai, saxophonist, scaffolder, scholar,
  scientist, scout, screenwriter, sculptor, secretary, seismologist, seller, senator, sergeant, servant, server, sexton,
  shaman, shepherd, sheriff, shiner, shipwright, shoemaker, shopkeeper, signaler, silversmith, singer, skateboarder,
  skater, skier, skipper, smuggler, sniper, snowboarder, sociologist, soldier, solicitor, sommelier, songwriter, sorter,
  specialist, speechwriter, spy, stager, statistician, steelworker, steward, stenographer, stockbroker, stonecutter,
  storyteller, streamer, student, stylist, supervisor, surfer, surgeon, surveyor, swimmer, swordsmith, tailor, tamer, taster,
  teacher, technician, telemarketer, teller, tester, therapist, thief, tiler, tinsmith, toxicologist, trader, trainer,
  translator, trapper, treasurer, trooper, trucker, trumpeter, tuner, turner, tutor, tycoon, typist, umpire, undertaker,
  upholsterer, urologist, vendor, ventriloquist, vet, veteran, veterinarian, viking, violinist, virologist, vlogger,
  volcanologist, waiter, walker, warden, warrior, washer, watchmaker, weaver, weightlifter, welder, wheelwright,
  winemaker, witness, wizard, woodcarver, woodworker, worker, wrestler, writer, youtuber, yogi, zookeeper, zoologist,
  sweeper, owner, leader, graduate, pupil, chieftain, rock star, movie star, pop star, film star, bull rider, rafter`;

/** Compounds whose last word alone names no person, or whose parts stand apart. */
const COMPOUNDS = wordList`electrical and electronics repairer, police officer, police sergeant, police chief,
  police detective, stable hand, farm hand, master of ceremonies, minister of finance, member of parliament,
  chief executive, chief executive officer, venture capitalist, research fellow, stock clerk, chimney sweep, au pair,
  medical examiner, loan officer, disc jockey, harbor master, station master, chess master, karate master,
  sound engineer, account executive, head of state, head teacher, justice of the peace, chief of police,
  attorney general, commander in chief, editor in chief, secretary of state, prime minister, quality controller,
  air traffic controller, sous chef, window dresser, lawn mower, crop duster, car washer, shoe shiner, claims adjuster,
  civil servant, public servant, general practitioner, nurse practitioner, home stager, package sorter, floor layer,
  wood turner, mail carrier, newspaper carrier, garbage collector, well digger, boarding school student, army general,
  postal worker, census taker, fashion model, test pilot, tree surgeon, fire chief, drill sergeant, tank commander,
  news anchor, television anchor, tv anchor, home health aide, health visitor, au pair, talk show host, radio host,
  quiz show host, restaurant host, campground host, steam locomotive driver, personal shopper, head chef, head waiter,
  scuba diver, martial artist, opera singer, team captain, ship captain, boat captain, ferry captain, guest speaker,
  black belt, mystery shopper, stunt double, portrait painter, portrait photographer, photo editor, photo journalist, poster artist, street sweeper, mind reader, palm reader, tarot reader, fruit picker`;

/** Also verbs, adjectives or things: people only where they are used as nouns. */
const AMBIGUOUS = new Set(
  wordList`anchor, author, blaster, butcher, captain, cardinal, carrier, champion, cleaner, coach, collector, conductor,
    controller, convict, cook, cooper, cutter, digger, doctor, drummer, duster, executive, fighter, fitter, general, graduate,
    guard, guide, host, judge, layer, maker, marine, mason, mime, miner, model, mover, mower, novice, nurse, official, packer,
    paver, picker, pilot, planter, polisher, potter, principal, printer, racer, reader, recruit, referee, roaster, runner,
    scout, server, shepherd, sorter, specialist, spy, steward, tailor, tester, trainer, tuner, turner, tutor, umpire, vet,
    veteran, walker, washer, witness, rafter, intern, driver, player, mentor, minister, agent, chief, apprentice, assistant,
    attendant, adjuster, hiker, streamer, stager, shiner, dresser, framer, joiner, master`,
);

function entries(noun: string): [string, PersonEntry][] {
  const entry: PersonEntry = Object.freeze({
    kind: 'person',
    role: 'occupation',
    noun,
    plural: false,
    rule: 'occupation',
    ...(AMBIGUOUS.has(noun) ? { ambiguous: true } : {}),
  });
  return [
    [noun, entry],
    [pluralOf(noun), Object.freeze({ ...entry, plural: true })],
  ];
}

/** Entries by key. */
export const OCCUPATIONS: readonly (readonly [string, PersonEntry])[] = Object.freeze(
  [...new Set([...SINGLE_WORDS, ...COMPOUNDS])].flatMap(entries),
);

/** Words that join an occupation to what comes before it, so that a compound is reported whole. */
export const OCCUPATION_ADJECTIVES: ReadonlySet<string> = new Set(
  wordList`acoustic, administrative, aeronautical, agricultural, chemical, civil, clinical, commercial, deep, dental,
    digital, domestic, dry, electrical, electronic, environmental, executive, financial, foreign, forensic, foster,
    general, graphic, high, hot, human, industrial, interior, legal, managing, marine, martial, mechanical, medical, mental,
    military, mobile, molecular, municipal, musical, naval, nuclear, occupational, organic, pediatric, personal, physical,
    polar, political, postal, primary, private, probation, professional, public, real, residential, respiratory, royal, rural,
    special, structural, substitute, technical, urban, veterinary, visual, voluntary, wholesale, botanical, ceramic,
    ethical, social, structural, theatrical, chief, head, junior, senior, assistant, deputy, vice, ex, retired,
    conditioning, processing, building, mining, driving, sewing, cleaning, racing, bus, traveling, travelling, backing,
    parking, printing, packaging, nursing, teaching, marketing, engineering, accounting, banking, boxing, wrestling,
    swimming, running, climbing, hunting, weaving, crossing, filing, billing, heating, lighting, recycling, bottling,
    biomedical, automotive, game, machine, patent, public, front, set, bass, pop, documentary, textile, quality, foster,
    concrete, rubber, gold, salt, bush, metal, submarine, antique, expedition, union, solar, window, weather, net, garden,
    managing, operating, learning, letting, mapping, fighting, short, fast, modern, classical, contemporary, crab`,
);

/** Nouns of those who work for people of the age before them: a child psychologist is no child. */
export const AGE_SERVANTS: ReadonlySet<string> = new Set(
  wordList`psychologist, psychiatrist, therapist, worker, minder, counselor, counsellor, doctor, nurse, pastor, coach,
    teacher, photographer, advocate, lawyer, specialist, dentist, entertainer, officer, leader, analyst, carer, caregiver,
    assistant, attendant, minister, trainer, instructor, director, psychotherapist, author, illustrator`,
);

/** Nouns of those who teach or translate what the adjective before them names. */
export const LANGUAGE_TEACHERS: ReadonlySet<string> = new Set(
  wordList`teacher, teachers, tutor, tutors, professor, professors, lecturer, lecturers, translator, translators,
    interpreter, interpreters, instructor, instructors`,
);
