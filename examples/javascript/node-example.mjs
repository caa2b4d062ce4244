// Logs in to the sample's cluster emea, invokes a service and prints the messages of a topic until Ctrl+C.
//
//     ISTHMUS_PASSWORD="$(cat .isthmus/secrets/emea-apac)" node examples/javascript/node-example.mjs
//
// Node 22 and later have a WebSocket of their own. Before that: `npm install ws`, `import WebSocket from "ws"`, and
// `new IsthmusClient({ WebSocket, ... })`.

import { IsthmusClient, IsthmusError } from "./isthmus-client.js";

const client = new IsthmusClient({
  address: process.env.ISTHMUS_ADDRESS ?? "ws://127.0.0.1:47043/zato.wsx.gateway",
  username: process.env.ISTHMUS_USERNAME ?? "apac",
  password: process.env.ISTHMUS_PASSWORD,
  clientName: "node-example",
  onState: (state, error) => console.log(`link: ${state}${error ? ` (${error.message})` : ""}`),
  onError: (error) => console.error("error:", error.message),
  onRequest: (data) => ({ received: data }),
});

process.once("SIGINT", () => client.close());
try {
  await client.connect();
  console.log("demo.echo returned", await client.invoke("demo.echo", { elem1: "value1" }));
  await client.subscribe("/customer/new", (message) => console.log("message:", message.topic_name, message.data));
} catch (error) {
  if (!(error instanceof IsthmusError)) throw error;
  console.error(`${error.name} ${error.status}: ${error.message}`);
  process.exitCode = 1;
  await client.close();
}
