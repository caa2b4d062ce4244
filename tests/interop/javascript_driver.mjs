// Runs the JavaScript client for a test: a command a line on stdin, what comes of it and what happens a line on stdout.

import { createInterface } from "node:readline";
import { IsthmusClient } from "../../examples/javascript/isthmus-client.js";

let client;
let failures = 0;
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const errorOf = (error) => ({ kind: error.name, status: error.status ?? null, message: error.message });

/** A WebSocket that tells of each log-in and renewal that it sends. */
class Watched extends (globalThis.WebSocket ?? Object) {
  send(text) {
    const { action } = JSON.parse(text).meta;
    if (action === "create-session") say({ event: "sent", action });
    super.send(text);
  }
}

/** Answer a request of the server as the test wants: with what it sent, or by failing. */
function onRequest(data) {
  say({ event: "request", data });
  if (data?.fail) throw new Error("the handler failed");
  return { answered: data };
}

/** Handle a message; fail as often as the test asked for before. */
function onMessage(message) {
  const fails = failures > 0;
  failures -= fails ? 1 : 0;
  say({ event: "message", message, fails });
  if (fails) throw new Error("the handler failed");
}

const commands = {
  connect: async (options) => {
    const onState = (state, error) => say({ event: "state", state, error: error && errorOf(error) });
    const onError = (error) => say({ event: "error", error: errorOf(error) });
    const WebSocket = globalThis.WebSocket && Watched;
    client = new IsthmusClient({ ...options, WebSocket, onRequest, onState, onError });
    await client.connect();
  },
  invoke: ({ service, request, ...options }) => client.invoke(service, request, options),
  publish: ({ topic, data, ...options }) => client.publish(topic, data, options),
  subscribe: ({ topic, ...options }) => client.subscribe(topic, onMessage, options),
  unsubscribe: ({ topic }) => client.unsubscribe(topic),
  fail: ({ times }) => void (failures = times),
  renew: () => client.renew(),
  close: () => client?.close(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, command, ...rest } = JSON.parse(line);
  (async () => commands[command](rest))().then(
    (result) => say({ id, result: result ?? null }),
    (error) => say({ id, error: errorOf(error) }),
  );
}
