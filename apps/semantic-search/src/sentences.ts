// What is searched: short statements about many things, written for this example.
const text = `
Water boils at a lower temperature on a high mountain.
Bread rises because yeast turns sugar into gas.
Let dough rest before you roll it out.
Salt draws moisture out of sliced cucumbers.
Simmer the stock gently so that it stays clear.
A sharp knife is safer than a blunt one.
Onions sting your eyes less when they are chilled first.
Rice keeps best in an airtight jar.
Toast spices in a dry pan to wake up their aroma.
Whip cream while it is cold, or it will not hold.
Rinse lentils and look for small stones before cooking them.
Egg whites foam badly if a trace of yolk gets in.
Chocolate turns grey when it melts and sets again slowly.
Roast the vegetables at high heat until their edges brown.
Vinegar and oil part again soon after you stir them.
Ripe bananas make a sweet cake without much sugar.
Cook pasta in plenty of salted water.
A pinch of sugar takes the edge off a sour tomato sauce.
Honey does not spoil if you keep it sealed.
Green tea becomes bitter when the water is too hot.
Soak dried beans overnight before you boil them.
Butter burns sooner than oil does.
Fresh basil loses its scent when it is cooked for long.
Taste the soup before you add more pepper.
Cheese was a way of keeping milk through the winter.
Pickled cabbage was taken on long sea voyages against scurvy.
My grandmother baked an apple pie every Sunday.
We had pancakes with lemon and sugar for breakfast.
The restaurant was full, so we waited an hour for a table.
Coffee beans get their flavour when they are roasted.
The moon shows us always the same face.
Light from the sun reaches the earth in about eight minutes.
Jupiter is larger than all the other planets together.
Saturn's rings are made mostly of pieces of ice.
A comet's tail points away from the sun.
Stars twinkle because the air above us is never still.
Mars looks red because its dust is full of rust.
A year on Mercury lasts eighty-eight days.
Black holes are so dense that light cannot leave them.
The tides follow the pull of the moon.
Telescopes on mountains look through thinner air.
The first person in space was Yuri Gagarin.
Astronauts exercise every day to keep their bones strong.
A satellite falls around the earth without ever landing.
Meteors glow because they squeeze the air in front of them.
Sound cannot travel through empty space.
Sound moves faster in water than in air.
Ice floats because it is less dense than water.
Copper conducts electricity better than iron.
A magnet loses its force when it is heated enough.
Heat flows from warm things to cold things.
Lightning is hotter than the surface of the sun.
Thunder is the sound of air that expands suddenly.
A prism spreads white light into colours.
Glass is made by melting sand.
Diamond and graphite are both made of carbon.
Helium was found in sunlight before it was found on earth.
Gold does not rust.
Acids turn litmus paper red.
Most of the air we breathe is nitrogen.
Plants take in carbon dioxide and give off oxygen.
Leaves are green because of chlorophyll.
Trees add one ring to their trunk every year.
Moss grows well in damp and shady places.
Bees tell each other with a dance where flowers are.
Ants find their way home by smell.
Spiders are not insects, for they have eight legs.
Butterflies taste with their feet.
Owls turn their heads nearly all the way around.
Bats find insects in the dark by listening for echoes.
Swallows fly south before the winter begins.
Penguins cannot fly, but they swim very well.
The ostrich is the largest living bird.
Hummingbirds can hover and even fly backwards.
Whales are mammals and must come up to breathe.
An octopus has three hearts and blue blood.
Sharks have skeletons of cartilage instead of bone.
Salmon return to the river where they hatched.
Some deep sea fish carry their own lights.
Coral reefs are built by very small animals.
Sea otters hold hands while they sleep.
Elephants remember places where they once found water.
Giraffes sleep for only a few hours a day.
A cheetah is fast but soon out of breath.
Camels store fat, not water, in their humps.
Cats see well in dim light.
A dog's nose is far keener than ours.
Our puppy chewed through another pair of shoes.
The cat sleeps on the warm radiator all day.
Wolves live and hunt in families.
Horses can doze while they stand.
Cows spend many hours a day chewing.
Snakes smell with their tongues.
Crocodiles are closer relatives of birds than of lizards.
Frogs drink through their skin.
Dinosaurs lived on every continent.
Fossils form when minerals take the place of bone.
The blood in our veins carries oxygen to every cell.
Our bones make new blood cells all the time.
The heart beats about a hundred thousand times a day.
Skin is the largest organ of the body.
Sleep helps the brain to keep what it has learned.
Vaccines teach the body to recognise a disease.
Antibiotics work against bacteria but not against viruses.
Washing your hands keeps many illnesses away.
A fever is the body's way of fighting an infection.
Vitamin C keeps gums and blood vessels healthy.
Walking for half an hour a day is good for the heart.
Too much salt may raise your blood pressure.
Drink enough water when the weather is hot.
Put a cold cloth on a sprained ankle and raise your leg.
Wear a helmet when you ride a bicycle.
The dentist told me to brush my teeth more gently.
Reading in poor light tires the eyes but does not harm them.
Stretching after a run keeps the muscles from getting stiff.
The doctor asked how long my throat had been sore.
Pollen makes many people sneeze in spring.
The Great Wall of China was built over many centuries.
The pyramids of Giza are more than four thousand years old.
The Romans built straight roads across their empire.
Latin was the language of scholars in Europe for centuries.
The printing press made books cheap.
Paper was invented in China.
Columbus crossed the Atlantic in 1492.
Magellan's ships were the first to sail around the world.
The French Revolution began in 1789.
Napoleon was defeated at Waterloo.
The Black Death killed a third of the people of Europe.
The Rosetta Stone helped scholars to read hieroglyphs.
Vikings reached North America long before Columbus.
Cleopatra was the last queen of ancient Egypt.
Pompeii was buried by the ashes of a volcano.
Silk came to Europe by caravan from the far east.
The steam engine changed how people worked and travelled.
The first railways carried coal from the mines.
Children worked in the cotton mills of the nineteenth century.
Women in New Zealand won the vote in 1893.
The Wright brothers flew for the first time in 1903.
The First World War ended in November 1918.
The Berlin Wall fell in 1989.
Marie Curie won two Nobel prizes.
Florence Nightingale made hospitals cleaner and safer.
Gandhi led his people to independence without violence.
Nelson Mandela spent twenty-seven years in prison.
Galileo saw four moons circling Jupiter.
Newton explained why apples fall and planets turn.
Darwin worked on his theory of evolution for twenty years.
Einstein showed that time passes slower for whoever moves fast.
Mendel discovered the laws of heredity in a garden of peas.
Penicillin was discovered because of a mouldy dish.
The ancient Greeks knew that the earth is round.
The Phoenicians gave us an early alphabet.
The Inca kept records with knotted cords.
Samurai were the warriors of old Japan.
The Ottoman Empire lasted for six hundred years.
The library of Alexandria held thousands of scrolls.
A knight's armour could weigh as much as a small child.
Coins were first made in Lydia, in what is Turkey today.
The Eiffel Tower was meant to stand for twenty years only.
Venice is built on wooden piles.
Amsterdam has more than a thousand bridges.
Iceland gets its heat from under the ground.
The Nile flows north into the Mediterranean.
The Amazon carries more water than any other river.
Lake Baikal is the deepest lake in the world.
Mount Everest grows by a few millimetres every year.
The Sahara was once green and full of lakes.
The Dead Sea is so salty that you float on it.
Australia is both a country and a continent.
Japan has more than a hundred active volcanoes.
Norway's coast is cut by deep fjords.
Kyoto was the capital of Japan for a thousand years.
In Lisbon old yellow trams climb the steep hills.
The night train from Vienna arrives in the morning.
Book a seat early if you travel on a holiday.
Trains in Switzerland are nearly always on time.
You need a visa to visit some countries.
My suitcase was lost somewhere between two airports.
The flight was delayed because of fog.
Keep your passport and money in an inside pocket.
The hotel gave us a room with a view of the sea.
We camped beside a river and cooked over a fire.
The path to the summit takes about four hours.
Take the second street on the left after the church.
The ferry to the island leaves at noon.
Drivers keep to the left in Britain and in Japan.
The museum is closed on Mondays.
A map still works when the phone has no signal.
It is cheaper to travel in the low season.
The desert is hot by day and cold by night.
We got lost in the narrow lanes of the old town.
The beach was empty in the early morning.
Learn to say thank you in the language of the country.
Jet lag is worse when you fly east.
A computer stores everything as zeros and ones.
A byte is made of eight bits.
The first computers filled whole rooms.
Ada Lovelace wrote the first program for a machine never finished.
Alan Turing asked whether machines can think.
A compiler turns source code into instructions for a machine.
Sorting a list takes longer the longer it is.
A hash table finds a key without looking at the others.
Version control lets many people change the same program.
Write a test before you repair a bug.
Turn it off and on again before you call for help.
Make a backup before you update the system.
Use a different password for every account.
A long passphrase is harder to guess than a short password.
Do not open attachments from people you do not know.
The website was down because too many people visited it at once.
A neural network learns from examples instead of rules.
The graphics card draws millions of triangles every second.
Memory is fast but forgets when the power goes out.
A solid state disk has no moving parts.
The battery of my phone lasts barely a day.
Wireless networks share the air, so they slow down when crowded.
The internet was designed to survive the loss of its parts.
Tim Berners-Lee invented the web at a laboratory in Geneva.
Open source software may be read and changed by anyone.
Encryption keeps letters secret even on an open network.
The cursor blinks while the computer waits for you.
A spreadsheet recalculates everything when one cell changes.
The printer is out of paper again.
My laptop gets hot when I edit video.
Robots weld the bodies of cars in the factory.
Self-driving cars see the road with cameras and lasers.
Search engines rank pages by the links that lead to them.
The screen went black in the middle of the meeting.
Speech recognition turns what you say into text.
A thermostat switches the heating on when it gets cold.
It has been raining since Tuesday.
The forecast says that it will snow tomorrow.
Clouds form when moist air rises and cools.
Fog is a cloud that touches the ground.
A rainbow appears opposite the sun.
Hurricanes draw their strength from warm seas.
The wind has blown the fence down.
Frost killed the first tomatoes of the year.
Summers are getting hotter in most of the world.
Glaciers carve valleys as they move.
Earthquakes happen where plates of the crust slide past each other.
A tsunami is low on the open sea and high at the shore.
Rivers slow down and drop their mud near the sea.
Sunlight warms the equator more than the poles.
The days grow longer until the end of June in the north.
Deserts form where the air has lost its rain.
Solar panels make no noise and need little care.
Wind turbines stand where the wind blows steadily.
A dam stores water and makes electricity.
Coal and oil come from plants that died long ago.
Turn off the lights when you leave the room.
Paper, glass and metal can be recycled.
Plastic takes centuries to rot.
Plant flowers that bees like.
Water the garden in the evening, not at noon.
Prune apple trees while they are bare.
Slugs ate all the lettuce last night.
Compost turns kitchen scraps into good soil.
Tulips came to Holland from Turkey.
Roses need sun and a lot of patience.
The neighbour's children are playing football in the yard.
She forgot her keys and waited outside for an hour.
The bus was late, so he walked to work.
He washes the car every Saturday morning.
The baby finally fell asleep at three in the morning.
We painted the kitchen yellow.
The dishwasher leaks and the floor is wet.
Buy milk, eggs and bread on the way home.
The queue at the post office was very long.
My sister is getting married in September.
They moved to the countryside to live more quietly.
The rent goes up again next month.
He cut his own hair and regretted it.
Her birthday cake had forty candles.
The lift is broken, so we have to take the stairs.
I cannot find my other sock.
The power went out in the whole street.
He lent me an umbrella and never asked for it back.
Grandfather tells the same story at every dinner.
The alarm clock rang, but nobody heard it.
Hang the washing outside while the sun shines.
A candle burns longer when its wick is short.
Cold butter is hard to spread.
The tailor shortened my trousers.
She knits a scarf for each of her nephews.
I left the office early to pick up my son from school.
The teacher praised her essay about the sea.
Pupils learn a poem by heart every month.
Learning a language takes practice every day.
He failed the exam and tried again in autumn.
The lecture was so dull that half of the class fell asleep.
The university library is open all night.
She plays the cello in an orchestra.
Bach wrote music for every Sunday of the year.
Beethoven went on composing after he had lost his hearing.
A piano has eighty-eight keys.
Mozart gave concerts when he was six years old.
The violin is tuned in fifths.
Jazz grew up in New Orleans.
The concert was sold out within minutes.
Leonardo painted the Mona Lisa on a panel of poplar.
Van Gogh sold very few paintings in his life.
Picasso never stopped changing his style.
Watercolours cannot be painted over as oils can.
Shakespeare wrote tragedies, comedies and sonnets.
Don Quixote fought windmills because he took them for giants.
The detective guessed that the gardener had done it.
I could not put the novel down until I had finished it.
The film was shorter than the book and not as good.
Silent films were accompanied by a pianist.
Photographs faded when they were left in the sun.
The actor forgot his lines in the second act.
A marathon is a little longer than forty-two kilometres.
The Olympic Games were held every four years in ancient Greece.
Our team lost the match in the last minute.
The goalkeeper saved a penalty.
Chess has more possible games than there are atoms on earth.
A tennis match can last for hours.
Cyclists ride close together to save strength.
She swims a kilometre every morning before work.
The referee showed him a red card.
Surfers wait for the biggest wave.
Skiers wax their skis for speed.
He broke the world record by a hundredth of a second.
Bread has become more expensive this year.
Banks lend the money that others have saved.
Inflation means that money buys less than before.
The shop gives a discount to students.
The company laid off a tenth of its workers.
She started a small business in her garage.
Taxes pay for schools, roads and hospitals.
The price of oil fell for the third week in a row.
Insurance spreads the cost of rare misfortunes.
A stock may rise for years and fall in a day.
He asked his boss for a raise.
The meeting could have been a letter.
The judge listened to both sides before she decided.
Parliament voted for the new law by a narrow majority.
Everyone over eighteen may vote in this election.
The mayor promised cheaper buses.
A triangle's angles add up to two right angles.
There is no largest prime number.
Zero was invented in India.
A circle has the smallest border for its area.
The chance of two heads in a row is one in four.
Negative numbers puzzled people for centuries.
`;

export const sentences: readonly string[] = text.trim().split('\n');
