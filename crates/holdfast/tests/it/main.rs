//! Behaviour over real HTTP, black box: would it survive replacing the program by another?

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod apart;
mod attacks;
mod audit;
mod broker;
mod catalogue;
mod cli;
mod client;
mod cluster;
mod conventions;
mod crash;
mod customer_limits;
mod damage;
mod differential;
mod engines;
mod errors;
mod events;
mod examples;
mod groceries;
mod guests;
mod holds;
mod keys;
mod mail;
mod media;
mod mfa;
mod network;
mod orders;
mod payments;
mod portable;
mod products;
mod readme;
mod roles;
mod sale_windows;
mod shop;
mod staff;
mod statistics;
mod supervisor;
mod system;
mod tidy;
mod tls;
mod users;
mod webhooks;
