/** A mail server that takes every letter (RFC 5321, as far as a shop submits letters to it). */

import { createServer, type Server, type Socket } from "node:net";

export interface Letter {
  to: string;
  /** As it came, with quoted-printable undone. */
  text: string;
}

/** What was quoted-printable (RFC 2045, §6.7), as bytes of UTF-8. */
function plain(data: string): string {
  const bytes = data.replace(/=\r\n/g, "").replace(/=([0-9A-F]{2})/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)));
  return Buffer.from(bytes, "latin1").toString("utf8");
}

export class Mailbox {
  readonly letters: Letter[] = [];
  readonly #server: Server = createServer((client) => this.#serve(client));

  /** At `127.0.0.1:2525`. */
  async open(address: string): Promise<void> {
    const [host, port] = address.split(":");
    await new Promise<void>((resolve) => this.#server.listen(Number(port), host, resolve));
  }

  close(): void {
    this.#server.close();
  }

  /** What ends the first link of that kind to somebody, as soon as it has come. */
  async token(to: string, kind: string): Promise<string> {
    for (let turn = 0; turn < 200; turn++) {
      for (const letter of this.letters) {
        const found = letter.to === to && new RegExp(`#/${kind}/([\\w-]+)`).exec(letter.text);
        if (found && found[1] !== undefined) return found[1];
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`no letter to ${to} with a link to ${kind}: ${JSON.stringify(this.letters)}`);
  }

  #serve(client: Socket): void {
    let [rest, to, data] = ["", "", undefined as string | undefined];
    const say = (line: string) => client.write(`${line}\r\n`);
    client.on("error", () => undefined);
    client.on("data", (some) => {
      rest += some.toString("latin1");
      for (let end = rest.indexOf("\r\n"); end >= 0; end = rest.indexOf("\r\n")) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 2);
        if (data !== undefined) {
          if (line === ".") {
            this.letters.push({ to, text: plain(data) });
            data = undefined;
            say("250 taken");
          } else data += `${line.replace(/^\./, "")}\r\n`;
          continue;
        }
        const verb = line.slice(0, 4).toUpperCase();
        if (verb === "RCPT") to = /<(.*)>/.exec(line)?.[1] ?? "";
        if (verb === "DATA") data = "";
        say(verb === "DATA" ? "354 go on" : verb === "QUIT" ? "221 bye" : "250 ok");
      }
    });
    say("220 mailbox ESMTP");
  }
}
