//! HTTP conventions, nothing about shops: the server, problems, validated JSON, conditional requests,
//! authentication, operation ids, rate limits, and the client for calling a peer.

pub mod auth;
mod buffers;
pub mod conditional;
mod endpoint;
mod envelope;
mod event_stream;
mod fair_queue;
mod fallback;
mod input;
mod json;
mod list;
mod objects;
mod origin;
mod peer;
mod problem;
pub mod problem_catalogue;
mod query;
pub mod rate;
mod reply;
mod reply_cache;
mod security_log;
mod server;
mod service;
mod statistics;
mod tls;
mod trust;
mod waiting_room;

pub use buffers::{Buffered, Buffers};
pub use conditional::{Edit, not_modified, unless_known};
pub use endpoint::Endpoint;
pub use envelope::{Context, Envelope, Load, RequestId, Trust};
pub use event_stream::{EVENT_STREAM, event_stream};
pub use fair_queue::{FairQueue, Turn};
pub use fallback::with_fallbacks;
pub use input::Input;
pub use json::{from_json, not_null, parse, parse_value, present};
pub use list::{
    ANSWER_BYTES, ListPlace, ListTurn, Lists, PageQuery, bounded_list_reply, linked, list_reply,
    page_request,
};
pub use origin::{Origin, source};
pub use peer::{Call, Peer};
pub use problem::{Problem, Reply};
pub use query::{NoQuery, Query, invalid_parameter};
pub use reply::{
    IdPath, answered, created, json_reply, no_content, replayed, with_etag, with_location,
};
pub use reply_cache::{Key, ReplyCache};
pub use server::{Server, ServerLimits, listen, raise_descriptor_limit};
pub use service::{BODY_BYTES, LARGEST_BODY, LargeBody, Paths, Service, Services, Types};
pub use statistics::StatisticsQuery;
pub use tls::{InternalTls, Tls};
pub use trust::{CallContext, ClusterSecret, FromPeer};
