// One socket for the page's conversation. It follows what is answered there, comes back by itself when it is cut,
// and goes on behind the last event that it had, so that each event is told once.
import { socketAddress } from "./page.js";

const LOGGED_OUT = 4401;
const PATIENCE = 4000; // milliseconds for a sign of life after a sleep
const LEAVING = 1000; // milliseconds for a log-out
const SLOWEST = 5000; // milliseconds between two tries

export class Connection {
  // `receive(event)` for each event, `lost()` when it is cut, `expired()` when a log-in is needed. `after`: the last event
  // that the page shows.
  constructor(conversation, { receive, lost, expired, after }) {
    Object.assign(this, { path: `/ws/conversations/${conversation}/`, receive, lost, expired, last: after, tries: 0 });
    this.connect();
    addEventListener("online", () => this.connect());
    // Somebody logged out in another tab: the server tells whether that ended this session too.
    addEventListener("storage", ({ key }) => key === "left" && setTimeout(() => this.socket.close(), LEAVING));
    document.addEventListener("visibilitychange", () => document.hidden || this.probe());
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  connect() {
    clearTimeout(this.timer);
    if (this.isOpen || this.socket?.readyState === WebSocket.CONNECTING) return;
    const socket = this.socket = new WebSocket(socketAddress(this.path));
    socket.addEventListener("open", () => { this.tries = 0; this.follow(); this.waiting?.resolve(); this.waiting = null; });
    socket.addEventListener("message", (message) => this.hear(JSON.parse(message.data)));
    socket.addEventListener("close", (event) => socket === this.socket && this.lose(event.code));
  }

  follow() {
    this.socket.send(JSON.stringify(this.last === undefined ? { type: "follow" } : { type: "follow", after: this.last }));
  }

  hear(event) {
    clearTimeout(this.doubt);
    if (event.id > (this.last ?? -1)) this.last = event.id;
    this.receive(event);
  }

  lose(code) {
    this.waiting?.reject(new Error(code === LOGGED_OUT ? "expired" : "lost"));
    this.waiting = null;
    if (code === LOGGED_OUT) return this.expired();
    this.lost();
    this.timer = setTimeout(() => this.connect(), Math.min(SLOWEST, 200 * 2 ** this.tries++) * (0.75 + Math.random() / 2));
  }

  // After a sleep a socket may be open in name only.
  probe() {
    if (!this.isOpen) return this.connect();
    this.follow();
    const socket = this.socket;
    clearTimeout(this.doubt);
    this.doubt = setTimeout(() => { socket.close(); this.lose(0); this.connect(); }, PATIENCE);
  }

  // Rejects with "lost" or "expired" when there is no way to send it now.
  async send(message) {
    if (!this.isOpen) {
      await new Promise((resolve, reject) => {
        this.waiting?.reject(new Error("lost"));
        this.waiting = { resolve, reject };
        this.connect();
      });
    }
    this.socket.send(JSON.stringify(message));
  }
}
