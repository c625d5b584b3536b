/**
 * The outside world of the demonstration, on loopback: a listener that keeps every byte sent to it, and a server
 * that hands out an install script for `curl … | sh`.
 */
import { createServer as createHttp } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';

/** A listener for stolen goods. Counts raw bytes below HTTP, so that no framing can hide any. */
export class Listener {
  /** Owner: the socket callbacks below. */
  #received = Buffer.alloc(0);
  connections = 0;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((socket) => {
      this.connections += 1;
      socket.on('data', (chunk: Buffer) => {
        this.#received = Buffer.concat([this.#received, chunk]);
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      });
      socket.on('error', () => {});
    });
  }

  static async start(): Promise<Listener> {
    const listener = new Listener();
    await listening(listener.#server);
    return listener;
  }

  get url(): string {
    return urlOf(this.#server);
  }

  /** Bytes of content: everything after the header of each request. */
  get contentBytes(): number {
    const requests = this.#received.toString('latin1').split(/(?=^(?:POST|GET|PUT) \/\S* HTTP\/1)/m);
    return requests.reduce((sum, request) => {
      const end = request.indexOf('\r\n\r\n');
      return sum + (end === -1 ? request.length : request.length - end - 4);
    }, 0);
  }

  holds(text: string): boolean {
    return this.#received.includes(text);
  }

  stop(): void {
    this.#server.close();
  }
}

/** Serves /install.sh: `script` as it is. */
export async function scriptServer(script: string): Promise<{ url: string; stop: () => void }> {
  const server = createHttp((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/x-sh', connection: 'close' }).end(script);
  });
  await listening(server);
  return { url: urlOf(server), stop: () => server.close() };
}

function listening(server: Server): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(0, '127.0.0.1', done);
  });
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
