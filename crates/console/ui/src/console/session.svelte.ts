/** Who is signed in to the console. */

import { Signed } from "../shared/session.svelte";

export const signed = new Signed("holdfast-console-refresh-token");
