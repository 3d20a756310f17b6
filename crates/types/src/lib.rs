//! The words that every service shares: ids, money, versions, time, operations, pages, errors,
//! and the reservation contract between orders and products. Nothing here does I/O.

mod audit;
mod basis;
mod booked;
mod currency;
mod error;
mod id;
mod interval;
mod letter;
mod message;
mod money;
mod operation;
mod order_items;
mod order_lines;
mod order_move;
mod page;
mod permission;
mod problem;
mod random;
mod reservation;
mod role;
mod seldom;
mod signed;
mod sources;
mod sum;
mod tally;
mod text;
mod time;
mod version;

pub use audit::{Audit, AuditTrail};
pub use basis::{Basis, IfMatch};
pub use booked::{BookedOrder, Standing};
pub use currency::Currency;
pub use error::{Code, Error, FieldError, Result, Validation};
pub use id::{
    BatchId, BatchKind, HoldId, HoldKind, Id, KeyId, KeyKind, OrderId, OrderKind, ProductId,
    ProductKind, SessionId, SessionKind, UserId, UserKind,
};
pub use interval::{Interval, Report};
pub use letter::{AccountLetter, AccountQuestion, LetterSecret, OrderLetter, ReturnedItem};
pub use message::Message;
pub use money::{Money, TOTAL_MAX};
pub use operation::{Answer, Fingerprint, IdempotentAnswer, Operation, Secret, named_id, reused};
pub use order_items::{
    ORDER_ITEMS, ORDER_UNITS, OrderItem, check_item_count, check_items, check_units, sum_items,
};
pub use order_lines::OrderLines;
pub use order_move::OrderMove;
pub use page::{Cursor, Page, PageRequest};
pub use permission::{Authority, Permission, Permissions};
pub use problem::read_problem;
pub use random::Random;
pub use reservation::{
    Claimed, Kept, OrderLine, Reservation, ReservationState, ReserveBatch, ReserveCommand,
    Reserved, StockAction, Unconfirmed,
};
pub use role::Role;
pub use seldom::Seldom;
pub use signed::Signed;
pub use sources::Sources;
pub use sum::Sum;
pub use tally::Tally;
pub use text::{
    METADATA_PAIRS, check_email, check_line, check_metadata, check_prose, fold, is_pair,
    metadata_patch_schema, metadata_schema, words,
};
pub use time::{Clock, Timestamp};
pub use version::Version;
