//! A double of a mail server (RFC 5321, as far as clients submit letters to it): it keeps what it takes, and refuses, defers and
//! breaks off on purpose.

use std::{
    collections::VecDeque,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// What becomes of the next letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpFate {
    /// There is no such address: 550.
    Refused,
    /// Not now: 451.
    Deferred,
    /// The server closes before it has the letter: 421.
    Closed,
    /// It has the letter, and its answer is lost.
    AnswerLost,
}

/// A letter that the server has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// To whom, by the envelope.
    pub to: Vec<String>,
    /// As it came over the wire, without the dots that are stuffed.
    pub data: String,
}

impl Received {
    /// A header, unfolded.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let (head, _) = self.data.split_once("\r\n\r\n")?;
        let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }

    /// Everything after the headers, with quoted-printable undone (RFC 2045, §6.7).
    #[must_use]
    pub fn text(&self) -> String {
        let body = self.data.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let joined = body.replace("=\r\n", "");
        let (mut bytes, mut rest) = (Vec::new(), joined.as_bytes());
        while let Some((first, tail)) = rest.split_first() {
            let code = tail.get(..2).and_then(|code| std::str::from_utf8(code).ok());
            let code = code.and_then(|code| u8::from_str_radix(code, 16).ok());
            match code.filter(|_| *first == b'=') {
                Some(byte) => {
                    bytes.push(byte);
                    rest = &tail[2..];
                }
                None => {
                    bytes.push(*first);
                    rest = tail;
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What follows `before` in the text, up to a blank: the token of a link.
    #[must_use]
    pub fn after(&self, before: &str) -> Option<String> {
        let text = self.text();
        let (_, rest) = text.split_once(before)?;
        rest.split(|char: char| char.is_whitespace() || char == '"').next().map(str::to_owned)
    }
}

#[derive(Default)]
struct State {
    taken: Vec<Received>,
    fates: VecDeque<SmtpFate>,
}

/// A mail server on this machine; it ends with this.
pub struct SmtpDouble {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for SmtpDouble {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SmtpDouble {
    /// Starts one on any port.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (address, state) = (listener.local_addr()?, Arc::new(Mutex::new(State::default())));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut clients = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                clients.spawn(async move {
                    Session { state, client: BufReader::new(client) }.run().await
                });
            }
        });
        Ok(Self { address, state, task })
    }

    /// Where it is, as a setting says it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// What becomes of the next letters, one each; all after them are taken.
    pub fn next(&self, fates: impl IntoIterator<Item = SmtpFate>) {
        lock(&self.state).fates.extend(fates);
    }

    /// What it has taken, in the order in which it came.
    #[must_use]
    pub fn taken(&self) -> Vec<Received> {
        lock(&self.state).taken.clone()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection.
struct Session {
    state: Arc<Mutex<State>>,
    client: BufReader<TcpStream>,
}

impl Session {
    async fn run(mut self) -> io::Result<()> {
        self.say("220 double ESMTP").await?;
        let mut to = Vec::new();
        while let Some(line) = self.line().await? {
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" | "HELO" => self.say("250-double\r\n250 8BITMIME").await?,
                "MAIL" => {
                    to.clear();
                    self.say("250 ok").await?;
                }
                "RCPT" => match self.fate(SmtpFate::Refused) {
                    true => self.say("550 5.1.1 no such mailbox here").await?,
                    false => {
                        to.extend(between(&line));
                        self.say("250 ok").await?;
                    }
                },
                "DATA" => {
                    if !self.take(std::mem::take(&mut to)).await? {
                        return Ok(());
                    }
                }
                "QUIT" => return self.say("221 bye").await,
                "RSET" | "NOOP" => self.say("250 ok").await?,
                _ => self.say("502 not here").await?,
            }
        }
        Ok(())
    }

    /// Says whether the connection goes on.
    async fn take(&mut self, to: Vec<String>) -> io::Result<bool> {
        if self.fate(SmtpFate::Closed) {
            self.say("421 4.3.2 closing").await?;
            return Ok(false);
        }
        self.say("354 go on").await?;
        let mut data = String::new();
        loop {
            let Some(line) = self.line().await? else { return Ok(false) };
            if line == "." {
                break;
            }
            data.push_str(line.strip_prefix('.').unwrap_or(&line));
            data.push_str("\r\n");
        }
        if self.fate(SmtpFate::Deferred) {
            self.say("451 4.7.1 later").await?;
            return Ok(true);
        }
        lock(&self.state).taken.push(Received { to, data });
        if self.fate(SmtpFate::AnswerLost) {
            return Ok(false);
        }
        self.say("250 2.0.0 taken").await?;
        Ok(true)
    }

    /// Whether that is what comes next; it has come then.
    fn fate(&self, wanted: SmtpFate) -> bool {
        let mut state = lock(&self.state);
        let is_it = state.fates.front() == Some(&wanted);
        if is_it {
            state.fates.pop_front();
        }
        is_it
    }

    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let read = self.client.read_until(b'\n', &mut line).await?;
        let text = String::from_utf8_lossy(&line);
        Ok((read > 0).then(|| text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    async fn say(&mut self, line: &str) -> io::Result<()> {
        self.client.get_mut().write_all(format!("{line}\r\n").as_bytes()).await
    }
}

/// The address between angle brackets.
fn between(line: &str) -> Option<String> {
    Some(line.split_once('<')?.1.split_once('>')?.0.to_owned())
}
