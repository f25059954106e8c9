// Explains one row to a customer: node explain.js TARGET PROTOS_DIR MODEL '{"feature": value, ...}'

import { connect, row } from "./xaisvc.js";

const [target, protosDir, model, values] = process.argv.slice(2);
const service = connect(target, protosDir);
try {
  const { results } = await service.Explain({
    model,
    rows: [row(JSON.parse(values))],
    audiences: ["customer"],
    formats: ["text"],
  });
  for (const result of results) {
    if (result.outcome === "error") {
      console.log(`row ${result.index}: ${result.error.message}`);
      for (const wrong of result.error.violations) console.log(`  ${wrong.field} ${wrong.reason}: ${wrong.description}`);
      continue;
    }
    const { id, output, attribution, views } = result.explanation;
    console.log(`explanation ${id}: ${output.id} = ${output.prediction}`);
    console.log(`method ${attribution.method}, base value ${attribution.base_value} ${attribution.space}`);
    for (const share of attribution.players) console.log(`  ${share.player}: ${share.value}`);
    console.log(views[0].content);
  }
} catch (error) {
  console.error(`the call failed with code ${error.code}: ${error.details}`); // 3 is INVALID_ARGUMENT, 5 NOT_FOUND
  process.exitCode = 1;
} finally {
  service.close();
}
