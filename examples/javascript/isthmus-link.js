/**
 * One link of isthmus-client.js: a WebSocket with a session on it, and the errors that calls end with.
 *
 * This module knows the frames of Zato's JSON format; it keeps nothing alive and dials nothing anew.
 */

/** The base of all errors of this module; `status` is HTTP-like. */
export class IsthmusError extends Error {
  /** @param {string} message @param {number} [status] */
  constructor(message, status = 500) {
    super(message);
    this.name = new.target.name;
    this.status = status;
  }
}
/** 400: the input cannot be used; the text names what was expected. */
export class BadInput extends IsthmusError {}
/** 403: this peer may not do that. */
export class Forbidden extends IsthmusError {}
/** 404: there is no such service or topic. */
export class NotFound extends IsthmusError {}
/** 409: it contradicts what is already there. */
export class Conflict extends IsthmusError {}
/** 503: a limit is reached; the call was not begun and may be tried again. */
export class Overloaded extends IsthmusError {}
/** Any other failure of the service; `status` is what the server said. */
export class RemoteError extends IsthmusError {}
/** The server denied the session: wrong credentials, as a rule. */
export class LoginRefused extends IsthmusError {}
/** The call was sent and no answer came in time. */
export class InvokeTimeout extends IsthmusError {}
/** The call was never sent: there was no link in time, or none can come. */
export class LinkDown extends IsthmusError {}
/** The link ended after the call was sent; the service may have run. */
export class LinkLost extends IsthmusError {}

const BY_STATUS = new Map([[400, BadInput], [403, Forbidden], [404, NotFound], [409, Conflict], [503, Overloaded]]);
const OPEN = 1;

const errorOf = (status, text) => new (BY_STATUS.get(status) ?? RemoteError)(text, status);
/** Return ten letters and digits, to tell clients and links apart. */
export const randomPart = () => Math.random().toString(36).slice(2, 12).padEnd(10, "0");

/** One WebSocket with a session on it; `closed` is fulfilled with `{code, reason}` when it has ended. */
export class Link {
  #socket;
  #options;
  #token = null;
  #calls = new Map();
  #count = 0;
  #prefix = `js.${randomPart()}`;
  #resolveClosed;
  #isOver = false;

  constructor(options, onPush) {
    this.#options = options;
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
    const socket = (this.#socket = new options.WebSocket(options.address));
    socket.binaryType = "arraybuffer";
    this.opened = new Promise((resolve, reject) => {
      socket.onopen = resolve;
      this.closed.then(({ code, reason }) => {
        const hint = "does anybody listen there, and is this page's origin among its allowed_origins?";
        reject(new LinkDown(`${options.address}: no link (${code} ${reason || hint})`, 503));
      });
    });
    socket.onclose = (event) => this.end(event.code, event.reason);
    socket.onerror = () => {}; // its close follows and is what counts
    socket.onmessage = (event) => this.#receive(event.data, onPush);
  }

  get isOpen() {
    return !this.#isOver && this.#socket.readyState === OPEN;
  }

  /** Create the session, or renew it: from then on messages carry the new token. */
  async logIn() {
    const { username = null, password = null, clientId, clientName, attrs, timeout } = this.#options;
    const said = Object.entries(attrs).map(([key, value]) => `${key}=${value}`).join("\n");
    const meta = { action: "create-session", username, secret: password, attrs: said };
    const data = await this.#ask({ ...meta, client_id: clientId, client_name: clientName }, {}, timeout);
    this.#token = data.token;
  }

  /** Invoke the channel's service. */
  call(data, timeout) {
    return this.#ask({ action: "invoke-service" }, data, timeout);
  }

  /** Answer what the server sent; where the link is gone there is nobody to answer. */
  answer(id, response) {
    if (this.isOpen) this.#send({ action: "client-response", in_reply_to: id }, { response });
  }

  /** End the link at once, without waiting for the peer. */
  end(code, reason) {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const call of this.#calls.values()) {
      call.reject(new LinkLost(`the link was lost after the call was sent: ${code} ${reason}`.trim(), 502));
    }
    this.#resolveClosed({ code, reason });
    this.#socket.close(1000);
  }

  #ask(meta, data, timeout) {
    return new Promise((resolve, reject) => {
      const id = this.#send(meta, data);
      const late = () => settle(reject)(new InvokeTimeout(`no answer within ${timeout} s`, 504));
      const timer = setTimeout(late, timeout * 1000);
      const settle = (how) => (what) => {
        clearTimeout(timer);
        this.#calls.delete(id);
        how(what);
      };
      this.#calls.set(id, { resolve: settle(resolve), reject: settle(reject) });
    });
  }

  #send(meta, data) {
    if (!this.isOpen) throw new LinkDown("there is no link", 503);
    const id = `${this.#prefix}.${++this.#count}`;
    const timestamp = new Date().toISOString().slice(0, -1);
    const text = JSON.stringify({ meta: { ...meta, id, timestamp, token: this.#token }, data });
    const size = new TextEncoder().encode(text).length;
    const limit = this.#options.maxMessageSize;
    if (size > limit) throw new BadInput(`a message has ${size} bytes, the limit is ${limit}`, 400);
    this.#socket.send(text);
    return id;
  }

  #receive(raw, onPush) {
    const text = typeof raw === "string" ? raw : new TextDecoder().decode(raw);
    let meta, data;
    try {
      ({ meta, data = null } = JSON.parse(text));
    } catch {
      return this.end(1002, "the server sent what is not JSON");
    }
    if (!meta?.in_reply_to) {
      if (meta?.msg_type === "zwsx.merr") return this.#denied(String(meta.error_message ?? data));
      return onPush(meta, data);
    }
    const call = this.#calls.get(meta.in_reply_to);
    if (call === undefined) return undefined; // late: nobody waits any more
    if (meta.status === 200) return call.resolve(data);
    return call.reject(errorOf(meta.status, String(meta.error_message ?? data)));
  }

  /** The server ends the session: before it exists that is the answer to the log-in. */
  #denied(reason) {
    if (this.#token === null) this.#calls.forEach((call) => call.reject(new LoginRefused(reason, 403)));
    this.end(1008, reason);
  }
}
