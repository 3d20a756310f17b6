/** A shop, and who we are to it: sessions that renew themselves, keys that make repeats harmless, repeats where they help. */

import { type Client, createClient } from "./generated/client/index.js";
import { beginGuest, logIn, logInWithCode, logOut, refreshSession } from "./generated/sdk.gen.js";
import type { Permission, SessionView } from "./generated/types.gen.js";
import { isProblem, ProblemError } from "./problems.js";
import { work } from "./work.js";

/** Somebody who is signed in. Whoever has `refreshToken` is them: keep it where nobody else reads. */
export interface Session {
  accessToken: string;
  refreshToken: string;
  /** Milliseconds since the Unix epoch. */
  expiresAt: number;
  /** What they may do for others than themselves. */
  permissions: Permission[];
  /** Whether products and stock are only their own. */
  ownProductsOnly: boolean;
}

export interface ShopOptions {
  /** Where the shop is, such as `http://127.0.0.1:3000`. */
  baseUrl: string;
  /** An API key, for a program: it is shown with each request, and there is no session. */
  apiKey?: string | undefined;
  /** A session of before. */
  session?: Session | undefined;
  /** Told of each new session, and of its end: where to keep it. */
  onSession?: (session: Session | undefined) => void;
  /** Runs a renewal while nobody else who has the same session runs one: tabs, say. */
  exclusively?: (renew: () => Promise<void>) => Promise<void>;
  /** How often a request is sent again that was not answered, or with 503 or 504. */
  repeats?: number;
  /** Sends requests; the platform's by default. */
  fetch?: typeof globalThis.fetch;
}

/** A token is renewed so long before it expires, in milliseconds. */
const EARLY = 10_000;
/** The pause before the first repeat, in milliseconds; each further one is twice as long, up to the last. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 3_000;
/** Ways into a session: they bring their own proof, and no key. */
const SESSION_PATHS = ["/api/users/guest", "/api/users/login", "/api/users/refresh", "/api/users/logout"];

/** Give `shop.client` to any operation: `placeOrder({ client: shop.client, body })`. */
export class Shop {
  readonly client: Client;
  #session: Session | undefined;
  #renewal: Promise<void> | undefined;
  /** What the last renewal was answered. */
  #renewed: SessionView | undefined;
  readonly #options: Required<Pick<ShopOptions, "repeats" | "fetch">> & ShopOptions;

  constructor(options: ShopOptions) {
    this.#options = { repeats: 5, fetch: (...sent) => globalThis.fetch(...sent), ...options };
    this.#session = options.session;
    const send = (sent: RequestInfo | URL, init?: RequestInit) => this.#send(new Request(sent, init));
    this.client = createClient({ baseUrl: options.baseUrl, fetch: send });
  }

  get session(): Session | undefined {
    return this.#session;
  }

  /** Signs in; where strangers guess at the name, with a proof of work, which takes seconds. Throws {@link ProblemError}, such as `invalid-credentials`, or `mfa-required` where a code is wanted too. */
  async signIn(username: string, password: string): Promise<SessionView> {
    const first = await logIn({ client: this.client, body: { username, password } });
    const asked = isProblem(first.error, "rate-limited") ? first.error.proofOfWork : undefined;
    const nonce = asked && (await work(asked, password));
    if (asked === undefined || nonce === undefined) return this.#begin(first);
    const proofOfWork = { challenge: asked.challenge, nonce };
    return this.#begin(await logIn({ client: this.client, body: { username, password, proofOfWork } }));
  }

  /** Signs in, second step: with what `mfa-required` said, and a code. Throws {@link ProblemError}, such as `invalid-credentials`. */
  async signInWithCode(mfaToken: string, code: string): Promise<SessionView> {
    const first = await logInWithCode({ client: this.client, body: { mfaToken, code } });
    const asked = isProblem(first.error, "rate-limited") ? first.error.proofOfWork : undefined;
    const nonce = asked && (await work(asked, code));
    if (asked === undefined || nonce === undefined) return this.#begin(first);
    const proofOfWork = { challenge: asked.challenge, nonce };
    return this.#begin(await logInWithCode({ client: this.client, body: { mfaToken, code, proofOfWork } }));
  }

  /** Goes on with a session that was begun or renewed elsewhere. */
  adopt(session: Session): void {
    this.#session = session;
  }

  /** Buys without a name. `registerUser` gives the account one and keeps its orders; sign in with it then. */
  async beAGuest(): Promise<SessionView> {
    return this.#begin(await beginGuest({ client: this.client, body: {} }));
  }

  /** Renews the session now: its rights may have changed. `undefined` when there is none any more. */
  async renew(): Promise<SessionView | undefined> {
    this.#renewed = undefined;
    await this.#renew();
    return this.#renewed;
  }

  /** Ends the session, here in any case. */
  async signOut(): Promise<void> {
    const refreshToken = this.#session?.refreshToken;
    this.#keep(undefined);
    if (refreshToken !== undefined) await logOut({ client: this.client, body: { refreshToken } });
  }

  #begin(answer: { data?: SessionView | undefined; error?: unknown; response?: Response | undefined }): SessionView {
    const { data, error, response } = answer;
    if (data === undefined) throw new ProblemError(error, response?.status ?? 0);
    const { accessToken, refreshToken, expiresIn, permissions, ownProductsOnly } = data;
    const expiresAt = Date.now() + expiresIn * 1000;
    this.#keep({ accessToken, refreshToken, expiresAt, permissions, ownProductsOnly });
    return data;
  }

  #keep(session: Session | undefined): void {
    this.#session = session;
    this.#options.onSession?.(session);
  }

  /** One renewal at a time, whoever needs it. */
  async #renew(): Promise<void> {
    const refreshToken = this.#session?.refreshToken;
    const renew = async () => {
      // Whoever had the turn before may have renewed it for all.
      if (this.#session?.refreshToken === refreshToken) await this.#renewNow();
    };
    this.#renewal ??= (this.#options.exclusively ?? ((renew) => renew()))(renew).finally(() => (this.#renewal = undefined));
    await this.#renewal;
  }

  async #renewNow(): Promise<void> {
    const refreshToken = this.#session?.refreshToken;
    if (refreshToken === undefined) return;
    const answer = await refreshSession({ client: this.client, body: { refreshToken } });
    // Only the shop's word ends a session: a shop that is away may come back.
    if (answer.response?.status === 401) this.#keep(undefined);
    else if (answer.data !== undefined) this.#renewed = this.#begin(answer);
  }

  async #send(request: Request): Promise<Response> {
    const path = new URL(request.url).pathname;
    // A code is good once: who sends it again is told that it was used.
    if (path === "/api/users/login/mfa") return this.#options.fetch(request);
    if (SESSION_PATHS.includes(path)) return this.#sendRepeatedly(request);
    const isSafe = ["GET", "HEAD", "OPTIONS"].includes(request.method);
    if (!isSafe && !request.headers.has("Idempotency-Key")) {
      request.headers.set("Idempotency-Key", idempotencyKey());
    }
    const { apiKey } = this.#options;
    if (apiKey !== undefined && !request.headers.has("Authorization")) {
      const answer = await this.#sendRepeatedly(authorized(request, apiKey));
      // A key that was changed a moment ago: not every process has heard of its new token.
      return answer.status === 401 ? this.#sendRepeatedly(authorized(request, apiKey)) : answer;
    }
    if (this.#session === undefined || request.headers.has("Authorization")) {
      return this.#sendRepeatedly(request);
    }
    if (this.#session.expiresAt - EARLY < Date.now()) await this.#renew();
    const first = this.#session?.accessToken;
    const response = await this.#sendRepeatedly(authorized(request, first));
    if (response.status !== 401) return response;
    // The clocks may differ, or somebody else may have renewed it.
    if (this.#session?.accessToken === first) await this.#renew();
    const second = this.#session?.accessToken;
    return second === undefined || second === first
      ? response
      : this.#sendRepeatedly(authorized(request, second));
  }

  /** The same request with the same key has one effect, however often it is sent. */
  async #sendRepeatedly(request: Request): Promise<Response> {
    for (let repeat = 0; ; repeat++) {
      const answer = await this.#options.fetch(request.clone()).catch((error: unknown) => {
        if (request.signal.aborted || repeat >= this.#options.repeats) throw error;
        return undefined;
      });
      const isFinal = answer !== undefined && answer.status !== 503 && answer.status !== 504;
      if (isFinal || (answer !== undefined && repeat >= this.#options.repeats)) return answer;
      await pause(repeat, answer?.headers.get("Retry-After"));
    }
  }
}

/** A key for one attempt. It is of random bytes, since `crypto.randomUUID` wants a page that came over https. */
export function idempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function authorized(request: Request, token: string | undefined): Request {
  const copy = request.clone();
  if (token !== undefined) copy.headers.set("Authorization", `Bearer ${token}`);
  return copy;
}

/** As long as the shop asks for, else a random part of a time that grows (exponential backoff with full jitter). */
async function pause(repeat: number, retryAfter: string | null | undefined): Promise<void> {
  const asked = Number(retryAfter ?? Number.NaN) * 1000;
  const grown = Math.random() * Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** repeat);
  const wait = Number.isFinite(asked) ? Math.min(LONGEST_PAUSE, asked) : grown;
  await new Promise((resolve) => setTimeout(resolve, wait));
}
