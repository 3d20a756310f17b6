//! Connections: where to, how many, and how sure reads and writes are.

use std::time::Duration;

use holdfast_types::{Code, Error, Result};
use mongodb::{
    Client, Database,
    options::{Acknowledgment, ClientOptions, ReadConcern, WriteConcern},
};

use super::{Fault, elections::Elections};

/// Connections of one process.
const CONNECTIONS: u32 = 32;
/// Connecting may take this long.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// Between two looks at who is the primary: a member that said that it ends is not asked again before the next.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// Finding a primary may take this long; an election takes a few seconds, and we try again.
const SELECTION_TIME: Duration = Duration::from_secs(3);

pub(super) async fn connect(url: &str, elections: &Elections) -> Result<(Client, Database)> {
    let mut options = ClientOptions::parse(url).await.map_err(|error| {
        let why = "DB_CONNECTION_STRING: is not a connection string of MongoDB";
        Error::new(Code::InvalidParameter, why).with_source(error)
    })?;
    options.app_name = Some("holdfast".to_owned());
    options.connect_timeout = Some(CONNECT_TIME);
    options.server_selection_timeout = Some(SELECTION_TIME);
    options.heartbeat_freq = Some(HEARTBEAT);
    options.max_pool_size = Some(options.max_pool_size.unwrap_or(CONNECTIONS));
    options.read_concern = Some(ReadConcern::majority());
    options.write_concern = Some(sure());
    options.sdam_event_handler = Some(elections.handler());
    options.default_database.get_or_insert_with(|| "holdfast".to_owned());
    let client = Client::with_options(options).map_err(Fault::from)?;
    let database = client.default_database().expect("it has just been set");
    Ok((client, database))
}

/// On the disks of a majority: `w: 1` loses acknowledged writes.
pub(super) fn sure() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build()
}
