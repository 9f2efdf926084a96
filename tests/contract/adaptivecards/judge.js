// Says of each card what Microsoft's own library finds wrong with it, and which texts and links it reads in it.
const cards = require("./node_modules/adaptivecards/dist/adaptivecards.js");

const asked = JSON.parse(require("fs").readFileSync(0, "utf8"));
const told = asked.map((source) => {
  const context = new cards.SerializationContext(cards.Versions.v1_4);
  const card = new cards.AdaptiveCard();
  card.parse(source, context);
  const faults = [];
  for (let place = 0; place < context.eventCount; place += 1) faults.push(context.getEventAt(place).message);
  for (const failure of card.validateProperties().validationEvents) faults.push(failure.message);
  const texts = [];
  for (let place = 0; place < card.getItemCount(); place += 1) {
    const block = card.getItemAt(place);
    if (block instanceof cards.RichTextBlock) {
      for (let run = 0; run < block.getInlineCount(); run += 1) texts.push(block.getInlineAt(run).text);
    }
  }
  const links = [];
  for (let place = 0; place < card.getActionCount(); place += 1) links.push(card.getActionAt(place).url);
  return { faults, texts, links };
});
process.stdout.write(JSON.stringify(told));
