"""Kinds of items: where an item is not on a list, the list may have its kind.

A row holds the names of the kind, the closest first, and the items of that kind.
"""

from __future__ import annotations

from releaf.vocabulary import rows

_ROWS = """
food scrap | food | leftovers :: apple | orange | banana | grape | melon | watermelon | strawberry |
    berry | blueberry | mango | pineapple | peach | plum | cherry | pear | lemon | lime | kiwi | avocado
    | avocado pit | potato | tomato | carrot | onion | garlic | pepper | cucumber | lettuce | cabbage |
    spinach | broccoli | cauliflower | corn | corn cob | mushroom | celery | zucchini | squash | eggplant
    | bean | lentil | pea | tofu | vegetable | fruit | salad | bread | toast | bun | bagel | croissant |
    pastry | cake | cookie | muffin | donut | pie | pancake | waffle | cracker | cereal | oatmeal |
    porridge | rice | pasta | noodle | spaghetti | macaroni | pizza | pizza crust | pizza slice | burger
    | hamburger | hot dog | sandwich | wrap sandwich | taco | burrito | sushi | soup leftover | stew |
    curry | meat | beef | steak | pork | ham | bacon | sausage | chicken | turkey | lamb | fish | salmon
    | tuna fish | shrimp | prawn | crab | lobster | mussel | clam | oyster | seafood | egg | cheese |
    butter | yogurt | cream | ice cream | chocolate | candy | popcorn | peanut | almond | cashew | walnut
    | jam | jelly | honey | peanut butter | mayonnaise | ketchup | mustard | gravy | sauce | salad
    dressing | spice | herb | flour | sugar | salt | dough | vegetable peel | fruit peel | fruit core |
    fruit pit | eggshell | nut shell | peanut shell | bone | fat | lard | coffee grounds | tea bag | tea
    leaf | peel | peeling | core | rind | crust | scrap | french fry | chip shop chip | mashed potato |
    baby food | dog food | cat food | pet food | seed | pumpkin seed | snack | dessert | pudding | corn
    husk | satsuma | tangerine | clementine | mandarin | nectarine | papaya | pomegranate | fig | apricot |
    raspberry | cranberry | parsnip | turnip | swede | beetroot | beet | radish | leek | kale | asparagus |
    artichoke | sprout | brussels sprout | chickpea | pumpkin flesh | ginger root | coriander | basil |
    lasagna |
    lasagne | bolognese | risotto | omelette | omelet | kebab | paella | stir fry | quiche | scone |
    tortilla |
    ravioli | dumpling | gnocchi | pesto | hummus | guacamole | salsa | mince | meatball | fishcake |
    poultry |
    duck | veal | venison | squid | octopus | milkshake powder | marmalade | biscuit | cupcake | brownie |
    pretzel | granola | muesli | ramen | tempeh | raisin | olive | pickle | sweet corn | sweetcorn | spring
    onion | yam | sweet potato | plantain | shell of egg | meal | dinner | lunch | breakfast | fish skin |
    shellfish | orange rind |
    carrot top | date fruit | grain | quinoa | couscous
clothes | clothes and shoe :: shirt | pants | jeans | sweater | jacket | coat | dress | skirt | sock |
    underwear | boxer | bra | pajama | suit | tie | scarf | glove | mitten | hat | cap | beanie | belt |
    shorts | legging | pantyhose | swimsuit | bikini | uniform | vest | raincoat | parka | robe |
    bathrobe | costume | hoodie | tracksuit | apron | tank top | nightgown | shawl | poncho | kimono |
    brief | lingerie | wedding dress | work clothes
shoe | footwear | clothes and shoe :: sneaker | rubber boot | brogue | espadrille | boot | sandal |
    slipper | high heel | heel | loafer |
    cleat | rain boot | flip flop | clog | hiking boot | football boot | shoes | ballet shoe
small appliance | small household appliance | small electric appliance :: toaster | kettle | blender |
    mixer | food processor | coffee maker | coffee machine | espresso machine | iron | clothes iron |
    hair dryer | curling iron | hair straightener | straightener | vacuum cleaner | electric razor |
    electric toothbrush | juicer | rice cooker | slow cooker | pressure cooker | toaster oven | air fryer
    | deep fryer | waffle maker | sandwich maker | bread maker | electric can opener | fan | space heater
    | humidifier | hot plate | sewing machine | bathroom scale | kitchen scale | hair clipper | electric
    knife | popcorn maker | ice cream maker | indoor grill | steamer | electric kettle | electric fan |
    desk fan | electric shaver | food dehydrator | hand mixer | hand blender | water kettle | coffee
    grinder | heating pad | garment steamer | raclette | panini press
large appliance | other large appliance | large metal household appliance :: stove | dishwasher | washing
    machine | clothes dryer | range hood | water heater | trash compactor
furniture | household furniture :: sofa | chair | armchair | table | desk | dresser | bookshelf |
    wardrobe | cabinet | nightstand | bedside table | coffee table | dining table | bench | stool |
    recliner | futon | ottoman | sideboard | hutch | shelf | tv stand | sofa bed | bed | bunk bed | crib
    | rocking chair | office chair | dining chair | bar stool | headboard | end table | love chair |
    cupboard | display case | entertainment unit | vanity | shoe rack | coat rack | wood chair | kitchen
    chair | kitchen table | high chair
toy | toy and sporting good | toy plastic or other material :: stuffed animal | doll | puzzle | board
    game | action figure | toy car | toy train | building block | jigsaw puzzle | rattle | yo yo | jump
    rope | hula hoop | kite | frisbee | toy truck | dollhouse | rubber duck | toy gun | water gun | lego
    brick | play set | spinning top
sporting good | sport equipment | toy and sporting good | sporting goods | sports equipment :: ball |
    soccer ball | basketball | football | baseball | tennis ball | golf ball | volleyball | baseball bat
    | cricket bat | tennis racket | badminton racket | racket | hockey stick | golf club | skate | ice
    skate | roller skate | skateboard | ski | snowboard | helmet | yoga mat | dumbbell | baseball glove |
    hockey puck | surfboard | life jacket | bike helmet | sled | boxing glove | weight
hand tool | tool | power tool :: hammer | screwdriver | wrench | pliers | saw | handsaw | chisel | file |
    drill | spanner | crowbar | axe | level | spirit level | clamp | tape measure | utility knife |
    shovel | rake | hoe | pitchfork | trowel | pruner | garden shear | allen key | socket set | mallet |
    hacksaw
electronic | e waste | other electronic device | electronic waste | audio electronic :: radio | stereo |
    speaker | amplifier | camera | digital camera | video camera | camcorder | dvd player | vcr | cd
    player | game console | video game console | mp3 player | tablet computer | tablet | e reader | modem
    | router | wifi router | monitor | computer monitor | keyboard | mouse | printer | scanner | fax
    machine | photocopier | cell phone | telephone | laptop | computer | hard drive | hard disk |
    projector | remote control | calculator | headphone | gps | webcam | microphone | answering machine |
    smart speaker | turntable | record player | walkie talkie | server | set top box | cable box | drone
    | baby monitor | electronic cable | usb stick | usb cable | cable | phone charger | circuit board |
    memory card | power strip | landline phone | tv box | satellite receiver | cell phone charger |
    adapter | laptop charger
wire and cable | electrical wire | electronic accessory | electronic adapter | computer cable | wire ::
    usb cable | cable | hdmi cable | phone charger | laptop charger | charger | power adapter |
    electrical cord | extension cord | ethernet cable | coaxial cable | aux cable | charging cord | ac
    adapter
printer and peripheral | computer peripheral | computer accessory :: printer | scanner | keyboard | mouse
    | webcam | router | modem | computer mouse | computer keyboard | inkjet printer | laser printer
computer and laptop | computer :: laptop | tablet computer | computer tower | pc computer | gaming pc
computer monitor | monitor :: lcd monitor | crt monitor | computer screen | screen
stereo and audio equipment | stereo | speaker :: speaker | amplifier | stereo | radio | cd player |
    turntable | record player | stereo system | boombox | subwoofer | hi fi | hifi
printed paper | office paper | paper :: printer paper | copy paper | lined paper | notepad | writing
    paper | document | letter | homework | worksheet | bank statement | bill | invoice | loose paper |
    computer paper | note | form | exam paper | sheet of paper | post card | drawing paper | gas bill |
    electricity bill | phone bill | paperwork | tax paper
notebook :: exercise book | notepad | diary | journal | planner book | workbook | spiral notebook
junk mail | magazine | newspaper :: flyer | catalog | coupon | advertisement | mailer | takeaway menu |
    newsletter | magazine paper | comic book | comic
paperback book | hardcover book | book :: novel | textbook | cookbook | paperback book | hardcover book |
    dictionary | encyclopedia | school textbook | bible
book | paperback book | hardcover book :: novel | textbook | book | cookbook | storybook
boxboard | cereal box | cereal and cracker box | boxboards | cardboard :: cereal box | cracker box |
    pasta box | shoe box | shoebox | tea box | cookie box | tissue box | toothpaste box | medicine box |
    cake box | detergent box | gift box | rice box | paper box | boxboard box | granola box | toy box
    cardboard | chocolate box | light bulb box | battery package | lego box | egg carton box | frozen
    food box | egg box cardboard
bedding and linen | bedding | linen | sheet sheet pad | bed sheet :: blanket | bed sheet | pillow | duvet
    | mattress cover | mattress protector | towel | throw blanket | bath towel | beach towel | tea towel
    | table cloth | curtain | pillow cover | bedspread | fleece blanket
fabric and textile | textile | rag :: rag | cloth | curtain | fabric | yarn | towel | table cloth |
    fabric scrap | felt | wool | felt cloth | lace | knitting yarn
glass and ceramic household item | ceramic mug | ceramic mug plate and bowl | ceramic dish | chinaware
    porcelain | chinaware | dish :: mug | plate | bowl | dinner plate | cup | tea cup | teacup | saucer |
    ceramic plate | ceramic bowl | ceramic mug | vase | crockery | china | porcelain | pottery | figurine
    | flower vase | ceramic | soup bowl | ceramic vase | clay pot | ashtray | porcelain plate | china cup
    | china plate | ceramic tile
drinking glass | glass :: wine glass | tumbler | pint glass | champagne glass | water glass | glass cup |
    shot glass | beer glass | beer mug | glass tumbler | glassware | glass drinking | champagne flute |
    crystal glass | martini glass
pot and pan | metal cookware | pot | pan :: frying pan | pot | pan | wok | baking tray | baking sheet |
    roasting pan | casserole | dutch oven | cake tin | muffin tin | cookie sheet | griddle | cake pan |
    muffin pan | baking pan | loaf pan
cutlery | metal cutlery | silverware | utensil | kitchen utensil :: fork | spoon | knife | butter knife |
    teaspoon | tablespoon | kitchen knife | chef knife | steak knife | spatula | ladle | whisk | can
    opener | peeler | tongs | corkscrew | potato peeler | cheese grater | grater | bottle opener | garlic
    press | rolling pin | chopsticks metal
beverage can | soda can | can | aluminum can :: beer can | soda can | energy drink can | drink can |
    juice can | water can | cider can | seltzer can | coffee drink can | sports drink can | drinks can |
    iced tea can | sparkling water can
steel and tin can | food can | steel can | can | can :: soup can | tuna can | bean can | fish can |
    sardine can | salmon can | tomato can | dog food can | cat food can | pet food can | corn can | fruit
    can | vegetable can | tomato sauce can | coconut milk can | baked bean can | baby formula can | food
    can | chickpea can | peach can | sweetcorn can | spam can | chili can | metal can | tin can | soup
    tin | olive can | can
glass bottle and jar | glass bottle | glass jar :: wine bottle | beer bottle | liquor bottle | champagne
    bottle | glass jar | glass bottle | jam jar | pickle jar | mason jar | sauce jar | honey jar | olive
    oil bottle | jar | perfume bottle | cider bottle | vinegar bottle | mayonnaise jar | baby food jar |
    olive jar | spice jar | salsa jar | mustard jar | candle jar | pasta sauce jar | coffee jar | glass
    container | glass vial | nutella jar | prosecco bottle | sake bottle | nut butter jar | spirit bottle
    | alcohol bottle | soy sauce bottle | hot sauce bottle | jelly jar
plastic water and soda bottle | plastic bottle | pet bottle :: water bottle | soda bottle | juice bottle
    | sports drink bottle | ketchup bottle | plastic soda bottle | plastic water bottle | bottle | drink
    bottle | energy drink bottle | mustard bottle | iced tea bottle | plastic juice bottle | lemonade
    bottle | squash bottle | plastic drink bottle | milk bottle
shampoo bottle | plastic shampoo bottle | plastic bottle :: conditioner bottle | body wash bottle |
    shower gel bottle | lotion bottle | soap bottle | hand soap bottle | mouthwash bottle | sunscreen
    bottle | soap dispenser | shower gel | bubble bath bottle | baby oil bottle | face wash bottle
laundry detergent jug | plastic detergent bottle | liquid detergent container | dish soap container |
    detergent soap container :: detergent bottle | detergent jug | fabric softener bottle | dish soap
    bottle | laundry detergent bottle | washing up liquid bottle | dishwashing liquid bottle | washing up
    liquid | softener bottle | dish detergent bottle | detergent container
plastic jug | plastic milk and juice jug | plastic bottle :: milk jug | juice jug | water jug | plastic
    milk jug | vinegar jug | gallon jug | milk gallon | jug
margarine and yogurt tub | plastic tub | plastic food tub | single serve yogurt cup | tray :: plastic tub
    | yogurt cup | cream cheese tub | sour cream container | dip container | pudding cup | cottage cheese
    container | tub | ricotta container | margarine | cream cheese container | sour cream cup
milk and juice carton | milk carton | juice carton | gable top container :: milk carton | juice carton |
    cream carton | almond milk carton | soy milk carton | oat milk carton | orange juice carton | drink
    carton | chocolate milk carton | coconut milk carton | broth carton | egg nog carton | rice milk
    carton | carton | soup carton
paper carton :: milk carton | juice carton
take out container | clam shell container | plastic container | clear plastic food tub :: plastic
    clamshell | salad container | berry container | plastic takeout container | fruit container | deli
    container | strawberry container | clamshell | sandwich container | salad box | strawberry box |
    blueberry container
paper plate and cup | paper cup | coffee cup :: paper cup | paper plate | take out coffee cup | dixie cup
    | paper bowl | paper soda cup | party cup paper
coffee cup | take out coffee cup :: paper cup | take out coffee cup | starbucks cup | cardboard cup | hot
    chocolate cup | tea cup paper
plastic cup and utensil | plastic cup | plastic cutlery | cup and utensil :: plastic fork | plastic spoon
    | plastic knife | plastic cup | plastic cutlery | spork | solo cup | plastic glass
coffee and soft drink lid | coffee cup lid | plastic cup lid | lid plastic :: coffee lid | cup lid | soda
    cup lid | takeaway cup lid | coffee cup lid | plastic lid | drink lid | take out coffee cup lid
jar lid | metal lid | bottle cap and jar lid | lid can | bottle cap :: metal jar lid | jam jar lid |
    mason jar lid | glass jar lid | lid of jar | can lid
meat and food tray | styrofoam tray | foam meat tray | foam tray | food tray | tray :: meat tray |
    styrofoam meat tray | food tray | styrofoam tray | plastic meat tray | sushi tray
cardboard | cardboard box :: box | package | parcel | packaging box
paper towel roll | toilet paper roll | cardboard tube :: toilet paper roll | paper towel roll | wrapping
    paper tube | cardboard tube | wrapping paper roll
plastic bag :: bin liner bag | plastic sack | plastic carrier
food box liner | plastic cereal liner bag :: cereal bag | cereal liner | cracker bag | cereal box liner |
    cereal inner bag
aluminum foil and tray | aluminum tray | foil pie pan :: aluminum tray | aluminum pie plate | roasting
    tray | lasagna tray
chip bag | snack food bag | snack container :: pretzel bag | popcorn bag | nacho bag | nut bag | cookie
    bag | snack bag | crisp | doritos bag | trail mix bag
candy wrapper :: candy bag | bar wrapper | lollipop wrapper | cookie wrapper | wrapper | snack wrapper |
    granola bar wrapper | gum wrapper | ice cream wrapper
nut potato chip and coffee canister | chip tube | cardboard potato chip container | cardboard can |
    potato chip canister :: chip tube | chip can | potato chip tube | cardboard tube can | pringles tube
    | chip canister
styrofoam block | styrofoam tm block | styrofoam packaging | styrofoam food packaging | foam block and
    packing sheet | electronic foam packaging | extruded foam packaging :: styrofoam | styrofoam
    packaging | foam packaging | packing foam | styrofoam packing | foam block | foam | styrofoam cup |
    styrofoam box | styrofoam insert
foam cup | styrofoam cup | polystyrene cup :: styrofoam coffee cup
fluorescent bulb | fluorescent light bulb :: cfl | black light | uv lamp | grow light tube
alkaline battery | battery | household battery :: battery | single use battery | disposable battery |
    remote battery | flashlight battery | toy battery | clock battery | a battery
rechargeable battery | lithium battery | computer battery | battery :: ebike battery | bicycle battery |
    scooter battery | electric scooter battery | hoverboard battery | power tool battery | drill battery
    | tool battery | camera battery | drone battery | battery pack | electric car battery | power bank |
    rechargeable battery | lithium battery | computer battery | cell phone battery | vacuum battery | rc
    battery | rechargeable aa battery
camera and watch battery | button battery :: camera battery | button battery | hearing aid battery |
    watch battery
medicine | medicine pesticide :: antibiotic | painkiller | cough syrup | cough medicine | cold medicine |
    eye drop | eyedrop | insulin | cream medicine | ointment | antidepressant | sleeping pill | vitamin
    pill | tablet medicine | birth control | birth control pill | contraceptive pill | heart medication |
    blood pressure medication | chemotherapy | steroid | antihistamine | allergy medicine | nasal spray |
    laxative | antacid | sedative | opioid | supplement | suppository | lozenge | cough drop
needle and syringe | syringe | needle :: syringe | insulin pen | epipen | pen needle | lancet | medical
    injector | tattoo needle | acupuncture needle
pesticide | pesticide agricultural chemical | medicine pesticide | pesticides agricultural chemical ::
    insecticide | weed killer | rat poison | fungicide | ant trap poison | slug pellet | mothball | moth
    ball | flea powder | flea collar | lawn chemical | garden chemical | insect repellent | algaecide |
    wasp killer | slug killer | moss killer | snail bait
solvent | paint thinner :: paint thinner | turpentine | paint stripper | paint remover | acetone |
    degreaser | methylated spirit | rubbing alcohol | naphtha | benzene | toluene | xylene | brush
    cleaner | denatured alcohol | nail polish remover
cleaning supply | cleaner | household cleaning product :: drain cleaner | oven cleaner | toilet cleaner |
    bathroom cleaner | glass cleaner | ammonia | disinfectant | window cleaner | floor cleaner | carpet
    cleaner | stain remover | detergent | furniture polish | silver polish | toilet bowl cleaner | bleach
    | limescale remover | descaler | all purpose cleaner | surface cleaner | multi surface cleaner | mold
    remover | rust remover | metal polish | dishwasher tablet
pool and spa chemical | pool chemical | chlorine :: chlorine | pool chlorine | chlorine tablet | hot tub
    chemical | pool acid | pool shock
ammunition gun and firework | ammunition | firework :: firework | bullet | gunpowder
other vehicle fluid | brake and transmission fluid | automotive fluid :: brake fluid | transmission fluid
    | windshield washer fluid | power steering fluid | washer fluid | wiper fluid | gear oil | hydraulic
    fluid
paint oil based | oil based paint | paint | oil paint :: oil paint | enamel paint | varnish | wood stain
    | lacquer | alkyd paint | stain | shellac | primer | wood varnish
paint latex | latex paint | water based paint | paint :: wall paint | acrylic paint | house paint |
    emulsion paint | emulsion | interior paint | leftover paint | water paint | ceiling paint
paint can | metal paint can | paint container :: paint pot | paint bucket
small gas canister | gas canister | butane gas tank | compressed gas tank | pressurized gas cylinder |
    pressurized gas cyclinder | co2 charger :: gas canister | camp stove fuel | soda stream cylinder |
    sodastream cylinder | nitrous oxide canister | nitrous oxide cartridge | whipped cream charger |
    nitrous canister | whippet | nos canister | co2 cartridge | laughing gas canister
propane tank :: patio heater gas | gas tank | gas grill tank
fire extinguisher :: extinguisher | fire blanket extinguisher
mercury thermometer | thermometer :: fever thermometer | glass thermometer | mercury fever thermometer
mercury thermometer and item | mercury switch :: mercury | mercury switch | barometer mercury | mercury
    thermostat | mercury barometer
glue and adhesive | adhesive | glue :: super glue | glue | wood glue | epoxy | adhesive | glue gun stick
    | spray adhesive | contact cement
spray can | aerosol can | spray paint can :: deodorant spray | whipped cream can | spray paint |
    hairspray can | air freshener spray | spray deodorant | shaving foam can | cooking spray can |
    shaving cream can | dry shampoo can | body spray | cooking spray | insect spray can | shaving foam |
    mousse can | static spray
ash | ash fireplace and briquette :: charcoal | fireplace ash | wood ash | coal ash | briquette
plant and tree salvage | house plant | flower | plant :: plant | house plant | houseplant | flower |
    potted plant | cut flower | bouquet | rose | tulip | dead plant | orchid | cactus | wilted flower |
    indoor plant
leaf and non woody yardwaste | yard waste | garden trimming :: weed | leaf | hedge trimming | hedge
    clipping | flower cutting | plant cutting | prunings | moss | hay | pine needle | garden
    debris | plant trimming
tree and brush | branch | tree trimming | tree branch | tree limb :: branch | brush wood | shrub | bush |
    twig | tree prunings | stick
wood scrap and shaving | wood scrap shaving and sawdust | clean wood waste | wood | wood chip | lumber ::
    sawdust | wood scrap | wood shaving | wood chip | wood | lumber | plywood | scrap wood | wood offcut
    | pallet wood | timber offcut | wood block
painted or treated wood | pressure treated wood :: treated wood | painted wood | pressure treated lumber
    | treated lumber | stained wood | varnished wood | railway tie
scrap metal | iron and steel | scrap metals | steel wire | metal :: metal | metal pipe | steel | iron |
    steel pipe | aluminum siding | metal rod | metal scrap | brass | copper pipe | metal shelf | copper
    wire | steel bar | metal part | metal frame | metal bar | copper | metal tube | metal sheet
christmas tree real | christmas tree | christmas trees :: real christmas tree | live christmas tree |
    natural christmas tree
jewelry | jewelry and coin | ring :: necklace | ring | earring | bracelet | brooch | watch chain
musical instrument | instrument :: guitar | violin | drum | trumpet | flute | ukulele | clarinet |
    saxophone | harmonica | recorder
cd dvd and floppy | cd | dvd :: cd | dvd | floppy disk | cd disc | blu ray | dvd disk
cd and dvd case | cd case | dvd case :: cd case | dvd case | jewel case | game case
vehicle | car part :: car | motorcycle | truck
engine motor and car part | metal car part | auto part | car part :: car part | car engine | alternator |
    carburetor | brake pad | muffler | car bumper | exhaust pipe | radiator car | engine
bicycle and bike part | bicycle :: bicycle | bicycle wheel | bicycle frame | bicycle seat | tricycle |
    kids bicycle | bicycle part | bicycle chain
sink | metal sink and tub fixture | metal sink :: tap | shower head | kitchen sink | faucet | metal tub |
    metal sink
porcelain toilet and tub | toilet :: toilet bowl | bidet | porcelain sink | toilet
mattress and futon | mattress :: bed mattress | foam mattress | spring mattress | futon mattress | air
    mattress | crib mattress | box spring
carpet and padding | carpet | rug :: rug | carpet | doormat | carpet tile | mat
screw nail nut and bolt | screw | nail | bolt :: screw | nail | bolt | nut bolt | washer metal |
    thumbtack | tack | pushpin | hinge | nuts and bolts | wood screw
compostable food service item | compostable cutlery | compostable plastic :: compostable plate |
    compostable cup | compostable fork | compostable container | compostable cutlery | bamboo plate |
    compostable straw
food soiled paper | paper food packaging | paper plate soiled | paper plate :: food wrapper paper |
    burger wrapper | soiled napkin | food soiled paper | sandwich paper | fast food wrapper
soiled or grease cardboard | pizza box grease :: soiled cardboard | grease cardboard | pizza box grease |
    food soiled cardboard
paper napkin | napkin :: napkin | party napkin
menstrual product | feminine hygiene product | sanitary pad :: tampon | sanitary pad | menstrual cup |
    period product | feminine hygiene product | period underwear | incontinence pad
disposable diaper | diaper :: diaper | adult diaper | swim diaper | incontinence pad | training pants |
    dog diaper
pet waste | pet waste and litter :: pet litter | dog bag
cosmetics | cosmetic :: makeup | make up | eyeshadow | eye shadow | mascara | lipstick | foundation |
    blush | concealer | eyeliner | face powder | lip gloss | nail polish | face cream | skin cream | hand
    cream
picture frame | photo frame :: picture frame | poster frame
eyeglass | glasses | eyeglass frame :: reading glasses | eyeglass | sunglass | reading eyeglass |
    eyeglass frame
blanket | towel blanket :: throw | fleece blanket | wool blanket
pen | writing instrument :: fountain pen | gel pen | pen
helmet :: bike helmet | bicycle helmet | motorcycle helmet | ski helmet | hard hat
paper bag :: lunch bag paper | brown bag | brown paper bag | kraft paper bag | flour bag | sugar bag
envelope | paper envelope :: window envelope | letter envelope | mailing envelope
tissue box | boxboard :: kleenex box | facial tissue box
personal care container | plastic cosmetic bottle :: cream jar | face cream jar
ice cream carton | paper ice cream carton | plastic ice cream tub | ice cream box :: ice cream container
    | ice cream tub | ice cream carton | gelato tub
laundry detergent box | detergent box :: detergent box | washing powder box | laundry powder box
barrel and drum | plastic drum | metal drum :: oil drum | barrel
plant pot | flower pot | plastic flower pot | plastic plant pot :: plant pot | flowerpot | nursery pot |
    seedling pot | plastic plant tray
outdoor furniture | plastic outdoor furniture | lawn furniture | patio furniture :: patio chair | lawn
    chair | garden chair | garden table | patio table | deck chair | plastic chair | plastic garden chair
lawn mower and power equipment | lawn mower :: lawn mower | weed whacker | leaf blower | chainsaw | chain
    saw | hedge trimmer
vitamin bottle | aspirin container | pill bottle | plastic pill bottle :: vitamin bottle | medicine
    bottle | aspirin bottle | pill bottle | supplement bottle
"""


def _tables() -> tuple[tuple[tuple[tuple[str, ...], ...], frozenset[tuple[str, ...]]], ...]:
    tables = []
    for row in rows(_ROWS):
        names, members = row.split(" :: ")
        tables.append(
            (
                tuple(tuple(name.split()) for name in names.split(" | ")),
                frozenset(tuple(member.split()) for member in members.split(" | ")),
            )
        )
    return tuple(tables)


KINDS = _tables()
"""Names of each kind, and the items of that kind, as words in normal form."""
