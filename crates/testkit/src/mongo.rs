//! A private MongoDB replica set in a temporary folder.

use std::{path::PathBuf, time::Duration};

use mongodb::{Client, bson::doc, options::ClientOptions};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::process::{Port, Server, find, give_away, unprivileged};

/// A server may take this long to come up and to be elected.
const START: Duration = Duration::from_secs(30);

/// A replica set of its own, on 127.0.0.1; gone when dropped.
#[derive(Debug)]
pub struct MongoServer {
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    server: Option<Server>,
    folder: TempDir,
    port: Port,
}

/// Where `mongod` is: where `MONGOD` says, or on the PATH.
fn program() -> Option<PathBuf> {
    let named = std::env::var_os("MONGOD").map(PathBuf::from);
    named.filter(|path| path.is_file()).or_else(|| find("mongod", []))
}

impl Member {
    fn start(replica_set: bool) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        give_away(folder.path());
        let mut member = Self { server: None, folder, port: Port::keep() };
        member.run(replica_set)?;
        Some(member)
    }

    fn run(&mut self, replica_set: bool) -> Option<()> {
        let mut command = unprivileged(&program()?);
        command.arg("--dbpath").arg(self.folder.path());
        command.arg("--logpath").arg(self.folder.path().join("log"));
        command.args(["--bind_ip", "127.0.0.1", "--port", &self.port.number.to_string()]);
        command.args(["--wiredTigerCacheSizeGB", "0.25", "--nounixsocket"]);
        let log = "log=(enabled=true,file_max=10MB,prealloc=false)";
        command.args(["--wiredTigerEngineConfigString", log]);
        command.args(["--setParameter", "enableTestCommands=1"]);
        if replica_set {
            command.args(["--replSet", "rs0", "--oplogSize", "32"]);
        }
        self.server = Some(Server::start(&mut command));
        Some(())
    }

    async fn client(&self) -> Client {
        let url = format!("mongodb://127.0.0.1:{}/?directConnection=true", self.port.number);
        let mut options = ClientOptions::parse(url).await.expect("the address is one");
        options.server_selection_timeout = Some(START);
        Client::with_options(options).expect("the options are some")
    }
}

impl MongoServer {
    /// Starts a replica set of one; `None` when MongoDB is not installed.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_members(1)
    }

    /// Starts a replica set; `None` when MongoDB is not installed.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start_members(count: usize) -> Option<Self> {
        let members: Vec<Member> =
            (0..count).map(|_| Member::start(true)).collect::<Option<_>>()?;
        let hosts = members.iter().enumerate().map(|(number, member)| {
            let host = format!("127.0.0.1:{}", member.port.number);
            doc! {"_id": i32::try_from(number).unwrap_or_default(), "host": host}
        });
        let config = doc! {
            "_id": "rs0",
            "members": hosts.collect::<Vec<_>>(),
            "settings": {"electionTimeoutMillis": 1000, "heartbeatIntervalMillis": 200},
        };
        in_runtime(async {
            // A set is only made of members that answer.
            for member in &members {
                let admin = member.client().await.database("admin");
                admin.run_command(doc! {"ping": 1}).await.expect("the server comes up");
            }
            let admin = members[0].client().await.database("admin");
            admin.run_command(doc! {"replSetInitiate": config}).await.expect("it can be initiated");
        });
        let server = Self { members };
        server.wait_for_primary();
        Some(server)
    }

    /// Starts a server that stands alone: it has no transactions.
    #[must_use]
    pub fn start_alone() -> Option<Self> {
        Some(Self { members: vec![Member::start(false)?] })
    }

    /// Waits until a primary takes writes; says which member it is.
    ///
    /// # Panics
    /// When none is elected in time.
    pub fn wait_for_primary(&self) -> usize {
        in_runtime(self.primary())
    }

    async fn primary(&self) -> usize {
        let deadline = Instant::now() + START;
        loop {
            for (number, member) in self.members.iter().enumerate() {
                if member.server.is_some() && is_primary(member).await {
                    return number;
                }
            }
            assert!(Instant::now() < deadline, "MongoDB has no primary");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Kills a member.
    pub fn kill(&mut self, member: usize) {
        self.members[member].server = None;
    }

    /// Starts a member again after it was killed.
    pub fn resume(&mut self, member: usize) {
        self.members[member].run(true).expect("it has run before");
    }

    /// The ports on 127.0.0.1 of all members.
    #[must_use]
    pub fn ports(&self) -> Vec<u16> {
        self.members.iter().map(|member| member.port.number).collect()
    }

    /// A connection string that names all members.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<String> =
            self.members.iter().map(|member| format!("127.0.0.1:{}", member.port.number)).collect();
        format!("mongodb://{}/holdfast", hosts.join(","))
    }

    /// A client of the first member, for fail points.
    pub async fn client(&self) -> Client {
        self.members[0].client().await
    }
}

async fn is_primary(member: &Member) -> bool {
    let hello = member.client().await.database("admin").run_command(doc! {"hello": 1}).await;
    hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false))
}

/// Runs `future` beside whatever runtime the caller is in. Servers are started outside of it: they end with the thread
/// that started them.
fn in_runtime<T: Send>(future: impl Future<Output = T> + Send) -> T {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime can be made").block_on(future)
    };
    std::thread::scope(|scope| scope.spawn(run).join().expect("the server comes up"))
}
