/**
 * A client of an Isthmus channel, for browsers and for Node, over the JSON format that docs/protocol.md describes.
 *
 * It keeps one link: it logs in, and after a loss it dials again with growing pauses and subscribes anew. It needs
 * nothing but isthmus-link.js beside it. Where there is no global WebSocket (Node before version 22), give it one as
 * the option `WebSocket`. All times are in seconds.
 *
 *     const client = new IsthmusClient({ address: "ws://127.0.0.1:47043/zato.wsx.gateway", username, password });
 *     await client.connect();
 *     const answer = await client.invoke("demo.echo", { elem1: "value1" });
 *     await client.subscribe("/customer/new", async (message) => store(message.data));
 */

import { Conflict, Forbidden, IsthmusError, Link, LinkDown, LinkLost } from "./isthmus-link.js";
import { LoginRefused, NotFound, RemoteError, randomPart } from "./isthmus-link.js";

export * from "./isthmus-link.js";

const GATEWAY_KEYS = ["response", "zato_gateway_response"];
const RESET_AFTER = 10;

/** Take a gateway's result out of what it may be wrapped in. */
function gatewayResult(data) {
  let result = data;
  for (const key of GATEWAY_KEYS) {
    const isWrapped = result !== null && typeof result === "object" && Object.keys(result).length === 1;
    if (isWrapped && key in result) result = result[key];
  }
  return result ?? null;
}

/** A client that keeps its link. It is made for one `connect` and one `close`. */
export class IsthmusClient {
  #options;
  #link = null;
  #waiting = new Set();
  #subscriptions = new Map();
  #handled = new Set();
  #state = "new";
  #lastError = null;
  #wake = () => {};

  /**
   * @param {object} options
   * @param {string} options.address - The channel's, such as `ws://127.0.0.1:47043/zato.wsx.gateway`.
   * @param {string} [options.username] - Where the channel has `security`.
   * @param {string} [options.password]
   * @param {string} [options.clientId] - A label that the server's logs and sub_keys show.
   * @param {string} [options.clientName] - Another one.
   * @param {Object<string, string>} [options.attrs] - What the server may find this client by.
   * @param {number} [options.timeout=5] - Of the log-in and of calls, where these say nothing else.
   * @param {number} [options.dialTimeout=10] - Until the WebSocket is open.
   * @param {number} [options.renewInterval=300] - Between renewals of the token; also shows that the server lives.
   * @param {number} [options.firstPause=0.5] - Before the link is dialled again; doubles,
   * @param {number} [options.longestPause=30] - up to this; what is waited is a random part of it.
   * @param {number} [options.maxMessageSize=1048576] - The largest message to send, in bytes.
   * @param {number} [options.maxHandled=10000] - How many handled messages are remembered, to handle none twice.
   * @param {typeof WebSocket} [options.WebSocket] - The implementation; the global one where nothing is said.
   * @param {(data: any, meta: object) => any} [options.onRequest] - Answers the server's requests.
   * @param {(state: string, error: Error | null) => void} [options.onState] - Told of `connecting`, `ready`,
   *   `backoff`, `rejected` (the log-in was refused; tried again at the longest pause) and `closed`.
   * @param {(error: Error) => void} [options.onError] - Told of what a handler threw, and of subscriptions that
   *   were refused after a reconnect.
   */
  constructor(options) {
    this.#options = {
      clientId: `js.${randomPart()}`,
      clientName: "isthmus-client.js",
      attrs: {},
      timeout: 5,
      dialTimeout: 10,
      renewInterval: 300,
      firstPause: 0.5,
      longestPause: 30,
      maxMessageSize: 1024 * 1024,
      maxHandled: 10000,
      WebSocket: globalThis.WebSocket,
      onRequest: () => null,
      onState: () => {},
      onError: (error) => console.error(error),
      ...options,
    };
    if (!this.#options.WebSocket) {
      throw new IsthmusError("there is no global WebSocket here; give one as the option WebSocket, from `ws` say", 500);
    }
  }

  /** How the link is: `new`, or what `onState` was told last. */
  get state() {
    return this.#state;
  }

  /**
   * Open the first link; from then on it is kept until `close`.
   * @throws {LoginRefused | LinkDown | InvokeTimeout} Why there is none; nothing goes on then.
   */
  async connect() {
    if (this.#state !== "new") throw new IsthmusError(`connect: this client is ${this.#state} already`, 409);
    try {
      this.#keep(await this.#dial());
    } catch (error) {
      this.#stop(error);
      throw error;
    }
  }

  /** End the link by intention; what waits for an answer fails. */
  async close() {
    const link = this.#link;
    this.#stop(null);
    link?.end(1000, "closed by this client");
  }

  /**
   * Invoke a service through the channel's gateway.
   * @param {string} service
   * @param {any} [request]
   * @param {{timeout?: number}} [options]
   * @returns {Promise<any>} What the service returned.
   */
  async invoke(service, request = null, options = {}) {
    return gatewayResult(await this.call({ service, request }, options));
  }

  /**
   * Invoke the channel's own service, on a channel without a gateway.
   * @param {any} data
   * @param {{timeout?: number}} [options]
   * @returns {Promise<any>}
   */
  async call(data, { timeout = this.#options.timeout } = {}) {
    const began = performance.now();
    const link = await this.#linkWithin(timeout);
    return link.call(data, timeout - (performance.now() - began) / 1000);
  }

  /**
   * Publish a message; one that was perhaps published can be repeated with the same `msg_id`.
   * @param {string} topic
   * @param {any} data
   * @param {object} [options] - msg_id, priority, expiration and so on; docs/pubsub.md lists them.
   * @returns {Promise<string>} The message's id.
   */
  async publish(topic, data, options = {}) {
    const request = { ...options, topic_name: topic, data };
    return (await this.invoke("zato.pubsub.pubapi.publish-message", request)).msg_id;
  }

  /**
   * Receive a topic's messages, one after the other, also over later links.
   *
   * The end of the handler acknowledges a message. One whose handler throws is not acknowledged: it comes again after
   * `ack_timeout`, with those that came with it and were not handled yet.
   *
   * @param {string} topic
   * @param {(message: {data: any, msg_id: string, topic_name: string, delivery_count: number}) => any} handler
   * @param {object} [options] - ack_timeout, ordered, deliver_from and so on; docs/pubsub.md lists them. With
   *   `unsub_on_wsx_close: false` the subscription outlives the link and is resumed; give `sub_key` to resume one of
   *   an earlier client.
   * @returns {Promise<string>} The sub_key.
   */
  async subscribe(topic, handler, options = {}) {
    if (this.#subscriptions.has(topic)) throw new Conflict(`${topic} is subscribed to already`, 409);
    const { sub_key: subKey = null, ...rest } = options;
    const isLasting = subKey !== null || rest.unsub_on_wsx_close === false;
    const subscription = { topic, handler, options: rest, subKey, isLasting, link: null, queue: Promise.resolve() };
    this.#subscriptions.set(topic, subscription);
    try {
      await this.#attach(await this.#linkWithin(this.#options.timeout), subscription);
    } catch (error) {
      this.#subscriptions.delete(topic);
      throw error;
    }
    return subscription.subKey;
  }

  /** Receive a topic's messages no more. @param {string} topic */
  async unsubscribe(topic) {
    const subKey = this.#subscriptions.get(topic)?.subKey;
    this.#subscriptions.delete(topic);
    if (subKey) await this.invoke("zato.pubsub.pubapi.unsubscribe", { topic_name: topic, sub_key: subKey });
  }

  /** Renew the token now; one that cannot be renewed costs the link, which is then made anew. */
  async renew() {
    const link = await this.#linkWithin(this.#options.timeout);
    try {
      await link.logIn();
    } catch (error) {
      link.end(1006, `the session could not be renewed: ${error.message}`);
      throw error;
    }
  }

  // The link's life

  async #dial() {
    this.#show("connecting");
    const link = new Link(this.#options, (meta, data) => this.#take(link, meta, data));
    const tooLate = setTimeout(() => link.end(1006, "not open in time"), this.#options.dialTimeout * 1000);
    try {
      await link.opened;
      await link.logIn();
      if (this.#state === "closed") throw new LinkDown("the client is closed", 503);
    } catch (error) {
      link.end(1000, error.message);
      throw error;
    } finally {
      clearTimeout(tooLate);
    }
    return link;
  }

  async #keep(first) {
    const { firstPause, longestPause, renewInterval } = this.#options;
    let [link, attempt] = [first, 0];
    while (this.#state !== "closed") {
      if (link !== null) {
        const began = performance.now();
        this.#link = link;
        this.#show("ready");
        this.#waiting.forEach((waiter) => waiter.resolve(link));
        this.#resubscribe(link);
        const renewal = setInterval(() => this.renew().catch(() => {}), renewInterval * 1000);
        const { code, reason } = await link.closed;
        clearInterval(renewal);
        this.#link = null;
        this.#lastError = new LinkLost(`the link ended: ${code} ${reason}`.trim(), 502);
        if (performance.now() - began > RESET_AFTER * 1000) attempt = 0;
      }
      if (this.#state === "closed") break;
      const isRejected = this.#lastError instanceof LoginRefused;
      this.#show(isRejected ? "rejected" : "backoff", this.#lastError);
      const ceiling = isRejected ? longestPause : Math.min(longestPause, firstPause * 2 ** attempt++);
      await this.#pause(isRejected ? ceiling : Math.random() * ceiling);
      link = this.#state === "closed" ? null : await this.#dial().catch((error) => ((this.#lastError = error), null));
    }
  }

  #pause(seconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      this.#wake = () => (clearTimeout(timer), resolve());
    });
  }

  #stop(error) {
    this.#link = null;
    this.#show("closed", error);
    this.#wake();
  }

  #show(state, error = null) {
    if (this.#state === "closed") return;
    this.#state = state;
    if (state === "rejected" || state === "closed") {
      const why = error?.message ?? "the client is closed";
      this.#waiting.forEach((waiter) => waiter.reject(new LinkDown(why, 503)));
    }
    this.#options.onState(state, error);
  }

  #linkWithin(timeout) {
    if (this.#link?.isOpen) return this.#link;
    if (["new", "closed", "rejected"].includes(this.#state)) throw new LinkDown(`the client is ${this.#state}`, 503);
    return new Promise((resolve, reject) => {
      const late = () => waiter.reject(new LinkDown(`no link within ${timeout} s: ${this.#lastError?.message}`, 503));
      const timer = setTimeout(late, timeout * 1000);
      const settle = (how) => (what) => {
        clearTimeout(timer);
        this.#waiting.delete(waiter);
        how(what);
      };
      const waiter = { resolve: settle(resolve), reject: settle(reject) };
      this.#waiting.add(waiter);
    });
  }

  // What the server sends

  #take(link, meta, data) {
    if (meta?.msg_type === "zwsx.psrq") {
      const messages = Array.isArray(data) ? data : [data];
      const subscription = this.#subscriptions.get(messages[0]?.topic_name);
      if (subscription === undefined) return; // unsubscribed meanwhile: not answered, so it stays in its queue
      subscription.queue = subscription.queue.then(() => this.#handle(link, subscription, meta.id, messages));
    } else {
      this.#respond(link, meta, data);
    }
  }

  async #handle(link, subscription, id, messages) {
    try {
      for (const message of messages) {
        const key = `${subscription.topic} ${message.msg_id}`;
        if (this.#handled.has(key)) continue;
        await subscription.handler(message);
        this.#handled.add(key);
        if (this.#handled.size > this.#options.maxHandled) this.#handled.delete(this.#handled.values().next().value);
      }
    } catch (error) {
      this.#options.onError(error);
      return;
    }
    link.answer(id, null);
  }

  async #respond(link, meta, data) {
    let response = null;
    try {
      response = (await this.#options.onRequest(data, meta)) ?? null;
    } catch (error) {
      this.#options.onError(error); // the format has no words for a refusal
    }
    link.answer(meta.id, response);
  }

  // Subscriptions

  /** Subscribe over a link, once. */
  #attach(link, subscription) {
    if (subscription.link !== link) {
      subscription.link = link;
      subscription.attached = this.#subscribeOver(link, subscription).catch((error) => {
        subscription.link = null;
        throw error;
      });
    }
    return subscription.attached;
  }

  async #subscribeOver(link, subscription) {
    const { timeout } = this.#options;
    const { topic, options, subKey, isLasting } = subscription;
    if (isLasting && subKey !== null) {
      const request = { service: "zato.pubsub.resume-wsx-subscription", request: { sub_key: subKey } };
      try {
        return await link.call(request, timeout);
      } catch (error) {
        const isGone = [Forbidden, NotFound, RemoteError].some((kind) => error instanceof kind);
        if (!isGone) throw error;
      }
    }
    const service = "zato.pubsub.subscription.create-wsx-subscription";
    const answer = await link.call({ service, request: { ...options, topic_name: topic } }, timeout);
    subscription.subKey = gatewayResult(answer).sub_key;
  }

  /** Subscribe to everything over a new link; what is refused is tried again at the longest pause. */
  async #resubscribe(link) {
    let hasRefused = false;
    for (const subscription of [...this.#subscriptions.values()]) {
      try {
        await this.#attach(link, subscription);
      } catch (error) {
        if (!link.isOpen) return;
        this.#options.onError(error);
        hasRefused = true;
      }
    }
    if (!hasRefused) return;
    const again = setTimeout(() => this.#resubscribe(link), this.#options.longestPause * 1000);
    link.closed.then(() => clearTimeout(again));
  }
}
