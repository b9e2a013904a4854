"""Words of hazardous items, by the hazard, and words that make them harmless."""

from __future__ import annotations

from releaf.vocabulary import rows, words

_ROWS = """
battery = batteries can start a fire: cover the contacts with tape and never crush them :: battery |
    accumulator | power bank | powerbank | lithium ion | li ion | lipo | nicad | ni cad | nimh | button
    cell | coin cell | dry cell | aa cell | aaa cell | 18650 | cr2032 | lr44 | hoverboard | ebike | e
    bike | electric bike | electric bicycle | e scooter | electric scooter | portable charger | double a
    | triple a | lead acid | jump starter | airtag | uninterruptible power supply | portable phone
    charger | portable cell phone charger | musical greeting card | musical card | aa | aaa | accu | jump
    pack | jump starter pack
bulb = lamps with mercury (fluorescent tubes, energy-saving bulbs) are hazardous waste and must not break
    :: bulb | cfl | fluorescent | energy saving lamp | energy saver lamp | neon tube | neon light | neon
    sign | uv lamp | mercury lamp | tube light | black light | strip light | sodium lamp | hid lamp | sun
    lamp | tanning lamp | halide lamp | germicidal lamp | xenon lamp | compact light | projector lamp |
    grow light | low energy lamp | tl lamp | sunbed tube | mercury vapor lamp
vape = electronic cigarettes hold a lithium battery and nicotine :: vape | vaping | vaporizer |
    electronic cigarette | e cigarette | e cig | ecig | ecigarette | cig a like | e liquid | vape juice |
    e juice | nicotine | heated tobacco | e hookah | electronic hookah | dab pen | weed pen | thc pen |
    cannabis pen | puff bar | e pipe | hookah pen | shisha pen | geek bar
gas = gas and fuel under pressure can explode: never puncture it, even if it seems empty :: gas | propane
    | butane | lpg | isobutane | autogas | co2 | carbon dioxide | helium | oxygen | nitrous oxide | nos
    canister | whippet | acetylene | freon | refrigerant | aerosol | spray can | spray paint | lighter |
    gasoline | petrol | diesel | kerosene | lighter fluid | lighter fuel | fuel | naphtha | scuba tank |
    dive tank | diving tank | argon | hydrogen | compressed air | fire extinguisher | extinguisher |
    sodastream | soda stream cylinder | gas cylinder | camping stove cartridge | cream charger | welding
    tank | pressure cylinder | compressed cylinder | nitrogen | chafing fuel | sterno | fondue fuel |
    lamp oil | paraffin oil | canned heat | coal oil | hairspray | petroleum | heating oil | methylated
    spirit | ethanol fuel | airbag | cassette cylinder | spray deodorant | deodorant spray | whipped
    cream charger | oil tank | nang | firelighter | fire lighter | fire starter | blowtorch | blow torch
    | soda charger | air duster | canned air | starter fluid | jet fuel | gas oil | cng
weapon = weapons and explosives belong to the police or a hazardous waste site, never in a bin :: gun |
    handgun | pistol | rifle | revolver | shotgun | firearm | weapon | ammunition | ammo | bullet |
    shotgun shell | bullet shell | live round | grenade | bomb | explosive | dynamite | tnt | gunpowder |
    black powder | firework | firecracker | fire cracker | sparkler | pyrotechnic | pyrotechnics | flare
    | taser | stun gun | pepper spray | bear spray | mace spray | mace | landmine | mine shell | missile
    | projectile | detonator | blasting cap | rifle cartridge | gun cartridge | bottle rocket | firework
    rocket | rocket | roman candle | party popper | smoke bomb | crossbow | machine gun | shrapnel |
    munition | mortar shell | artillery shell | buckshot | hunting cartridge | sword | machete | dagger |
    switchblade | brass knuckle | knuckle duster | nunchuck | bayonet | gun powder | air rifle | bullet
    casing | ammunition casing | fuse cord | detonating cord | tear gas
medicine = medicines and needles are dangerous to others: take them to a pharmacy or a hazardous waste
    site :: medicine | medication | drug | pill | pharmaceutical | prescription | antibiotic | painkiller
    | med | syringe | hypodermic | needle | lancet | sharps | insulin | epipen | inhaler | puffer | cough
    syrup | vaccine | steroid | opioid | codeine | morphine | fentanyl | antidepressant | sleeping tablet
    | headache tablet | sedative | chemotherapy | chemo | antihistamine | ointment | eye drop | eyedrop |
    ear drop | nasal spray | laxative | antacid | contraceptive pill | suppository | medical waste |
    biohazard | biohazardous | injector | injection | auto injector | blood bag | estrogen | testosterone
    | methadone | ritalin | adderall | valium | tranquilizer | cold tablet | allergy tablet | pain tablet
    | cough drop medicine | cytotoxic | ampoule | medical injector | insulin pen | nitroglycerin |
    warfarin | statin | medicament | cold medicine | cannabis oil | hormone patch | asthma spray |
    anesthetic | blood sample
chemical = chemicals are hazardous waste: keep them in their container and never pour them away ::
    chemical | transmission oil | gearbox oil | windscreen wash | windshield wash | bleach | acid |
    ammonia | drain cleaner | oven cleaner | toilet cleaner | toilet bowl
    cleaner | bathroom cleaner | brake cleaner | window cleaner | glass cleaner | floor cleaner | carpet
    cleaner | kitchen cleaner | household cleaner | all purpose cleaner | carburetor cleaner | tile
    cleaner | engine cleaner | cleaning chemical | cleaning product | cleaning fluid | disinfectant |
    descaler | caustic | caustic soda | lye | chlorine | pool shock | muriatic | pesticide | insecticide
    | herbicide | fungicide | rodenticide | algaecide | biocide | weed killer | weedkiller | bug spray |
    insect spray | insect repellent | mosquito repellent | ant killer | wasp killer | slug killer | moss
    killer | slug pellet | rat bait | ant powder | flea powder | flea collar | poison | mothball | moth
    ball | paint | thinner | turpentine | turps | white spirit | mineral spirit | solvent | degreaser |
    acetone | varnish | lacquer | shellac | wood stain | deck stain | paint stripper | paint remover |
    wood preservative | creosote | epoxy | super glue | superglue | contact cement | two part glue | nail
    polish | nail varnish | nail polish remover | antifreeze | anti freeze | coolant | brake fluid |
    transmission fluid | steering fluid | washer fluid | hydraulic fluid | hydraulic oil | motor oil |
    engine oil | gear oil | used oil | waste oil | car oil | oil filter | transformer oil | oil spill |
    wd 40 | wd40 | mercury | thermometer | asbestos | lead | arsenic | cadmium | chromium | pcb | cyanide
    | formaldehyde | formalin | peroxide | rubbing alcohol | isopropyl | isopropyl alcohol | denatured
    alcohol | methanol | benzene | toluene | xylene | hydroxide | fertilizer | plant food chemical |
    photo fixer | photo developer | photographic chemical | radioactive | uranium | radium | toxic |
    toxin | corrosive | flammable | hazardous | roofing tar | driveway sealer | sealer | wood oil |
    linseed oil | hair dye | hair bleach | perm solution | rust remover | mold remover | stain remover |
    car wax | carpet glue | silver nitrate | hand sanitizer | resin hardener | hardener | spray foam |
    expanding foam | insulating foam spray | smoke pellet | stump remover | copper sulfate | boric acid |
    borax | iodine | potassium permanganate | quicklime | pool chemical | spa chemical | primer | enamel
    paint | undercoat | graffiti spray | brake oil | power steering oil | grease trap chemical | rodent
    bait | contaminated soil | sulfuric | hydrochloric | nitric | weed spray | liquid paper | correction
    fluid | shoe polish | furniture polish | metal polish | pine tar | ethylene glycol | cleaner |
    limescale remover | bitumen | fiberglass resin | polyester resin | epoxy resin | cutting fluid |
    radiator fluid | screen wash | screenwash | moth crystal | bait | tick collar | pool tablet |
    chloroform | ether | glyphosate | ddt | paraquat | malathion | strychnine | rust converter | vehicle
    fluid | automotive fluid | mold killer | lice killer | roach killer | weed and feed | chemistry set |
    drain opener | drain unblocker | toilet bowl tablet
"""
HARMLESS = frozenset(
    tuple(phrase.split())
    for phrase in " | ".join(
        rows("""
gas bill | gas station | gas stove | gas oven | gas range | gas grill | gas meter | gas pedal | gas cap |
    gas mask | gas fireplace | gas hob | gas bbq | gas furnace | gas dryer | gas pipe | gas heater | gas
    cooker | gas boiler | natural gas bill | gas company | gas lawn mower | gas guitar
light bulb box | bulb box | flower bulb | plant bulb | tulip bulb | garlic bulb | onion bulb | daffodil
    bulb | lily bulb | spring bulb | bulb of garlic | bulb planter | fennel bulb | hyacinth bulb | bulb
    of fennel | led bulb | incandescent bulb | halogen bulb | led christmas bulb | crocus bulb | bulb
    syringe box
paint brush | paintbrush | paint roller | paint tray | paint chip | paint swatch | paint sample card |
    paint by number | paint stick | paint stirrer | paint rag | paint tarp | paint apron | paint roller
    cover | paint easel | metal paint can lid | paint can lid | paint tray liner | paint bucket lid |
    paint horse | face paint brush
toy gun | water gun | nerf gun | squirt gun | glue gun | nail gun | staple gun | heat gun | caulking gun
    | caulk gun | massage gun | spray gun | price gun | bubble gun | gun toy | laser tag gun | hot glue
    gun | grease gun
bath bomb | bullet journal | bullet blender | bomb pop | seed bomb | toy rocket | rocket salad | rocket
    toy | flare jeans | rocket leaf | model rocket | glitter bomb | cocktail bomb | toy grenade | photo
    bomb | rocket stove | rocket ship
medicine cabinet | medicine ball | medicine cup | medicine spoon | pill organizer | pill box | pillbox |
    pill case | pill cutter | drug store | drug store receipt | medicine book | medicine chest | pill
    bottle cap | pill hill
pine needle | knitting needle | sewing needle | darning needle | needle nose plier | needle felting |
    record needle | embroidery needle | crochet needle | needle case | needle threader | phonograph
    needle | fir needle | needle point | spruce needle
poison ivy | poisonous plant | lawnmower gas | pencil lead | lead pencil | dog lead | extension lead |
    power lead | cable lead | lead singer | lead guitar | lead sheet | jump lead | charging lead | lead
    role | hdmi lead | lead rope | mechanical pencil lead
acid wash | amino acid | acid rock | acid reflux book | acid jazz | fuel gauge | fuel receipt | fuel bill
    | nail polish brush
fluorescent vest | fluorescent jacket | fluorescent marker | fluorescent pen | fluorescent paper |
    fluorescent paint brush | fluorescent highlighter | fluorescent shirt | fluorescent sticker |
    fluorescent tape | fluorescent yarn
helium balloon | oxygen mask | oxygen tube | oxygen bleach box | hydrogen balloon | gun metal | gunmetal
    | top gun | sterno rack | spray can cap | aerosol cap | aerosol can cap | aerosol lid | spray can lid
battery tester | battery compartment | battery holder | battery door | batteries cover | battery charger
    | battery hen | battery park | egg battery | battery lid
meat thermometer | digital thermometer | electronic thermometer | infrared thermometer | candy
    thermometer | cooking thermometer | oven thermometer | lighter color | lighter weight | paint night |
    mercury marine | freddie mercury | mercury glass | mercury record | chemical toilet | chemical
    engineering book | weapon poster | drug leaflet | double a side | vaccine card | injection mold |
    prescription eyeglass | prescription glass | prescription label | prescription sunglass | primer book
    | school primer | lighter case | lead time | acid free | lead crystal | drug test | injection molding
    | insulin cooler | fertilizer bag | ac dc | stain remover pen cap | bleached paper | sparkler dress
vacuum cleaner | air cleaner | pipe cleaner | ear cleaner | tongue cleaner | cleaner brush | vacuum
    cleaner bag | vacuum cleaner filter | cleaner wipe | toy sword | foam sword | wood sword | plastic
    sword | fuse box | clickbait
        """)
    ).split(" | ")
)
"""Phrases with a word of a hazard that are no hazard."""
HARMLESS_HEADS = frozenset(
    words("""
    packaging package bill receipt brochure poster book magazine card label manual cabinet drawing picture
    photo photograph shirt sticker ad advertisement leaflet flyer catalog costume puzzle song movie film dvd
    game comic instruction warranty invoice pamphlet newspaper letter wrapper painting coupon logo keychain
    recipe sign holster guide report certificate licence license menu novel textbook box boxes blister
    bookmark display voucher insert carton cartons mural figurine ornament
    """)
)
"""Last words of items of paper or decoration, that only name the hazard: "battery packaging"."""
PICTURES = frozenset(
    words("""
    drawing picture photo photograph poster painting print book magazine manual brochure leaflet flyer catalog
    movie film song puzzle ad advertisement receipt bill invoice mural figurine bookmark sticker
    """)
)
"""Those of them that name a hazard after "of" or "about": "drawing of a gun"."""
INSIDE = frozenset(words("powered operated"))
"""Words that follow what an item holds inside: "battery-operated toy"."""
NEGATIONS = frozenset(words("non no not without minus zero never anti"))
STEMS = {
    "batterie": "battery",
    "battery": "battery",
    "akku": "battery",
    "powerbank": "battery",
    "lithium": "battery",
    "propan": "gas",
    "butan": "gas",
    "gasoline": "gas",
    "vape": "vape",
    "ecig": "vape",
    "fluorescen": "bulb",
    "cide": "chemical",
    "ammunition": "weapon",
    "explosiv": "weapon",
    "firework": "weapon",
    "grenade": "weapon",
    "syringe": "medicine",
    "medicin": "medicine",
    "medicat": "medicine",
    "asbest": "chemical",
    "poison": "chemical",
    "toxic": "chemical",
    "acetone": "chemical",
    "antifreeze": "chemical",
}
"""Parts of words that name a hazard in a compound ("autobattery"), with the hazard."""
SAFE_WORDS = frozenset(words("decide suicide coincide homicide genocide nontoxic medicinal battered excide"))
"""Words that have such a part and are no hazard."""


def _tables() -> tuple[dict[str, str], dict[tuple[str, ...], str]]:
    advice: dict[str, str] = {}
    hazards: dict[tuple[str, ...], str] = {}
    for row in rows(_ROWS):
        name, _, rest = row.partition(" = ")
        advice[name], _, phrases = rest.partition(" :: ")
        hazards |= {tuple(phrase.split()): name for phrase in phrases.split(" | ")}
    return advice, hazards


ADVICE, HAZARDS = _tables()
"""Advice on each hazard; the hazard of each word or phrase."""
