//! What a stranger on the open internet tries. Each test is an attack, and what the shop must do about it; the table in
//! `docs/threat-model.md` says which attack is tried where.

mod guessing;
mod transport;
