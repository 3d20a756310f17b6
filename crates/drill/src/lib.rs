//! Load with an external ledger, faults and verdicts: how the claims of the shop are proved from outside.
//!
//! The drill knows the shop by its wire contract alone. It writes down every order that the shop acknowledged and
//! then compares: each is there once, under its owner, with its lines, and the stock adds up.

pub mod accounts;
pub mod bench;
pub mod catalogue;
pub mod damage;
pub mod generate;
pub mod ledger;
pub mod load;
pub mod private;
pub mod replay;
pub mod sale;
pub mod torture;
pub mod verdict;

/// What went wrong with a drill itself, in words. What is wrong with the shop is a verdict.
pub type Result<T, E = String> = std::result::Result<T, E>;
