//! The server that takes letters (RFC 5321, submission: RFC 6409).

use std::{
    fmt,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use holdfast_types::{Error, Result};
use lettre::{
    Address, Message,
    message::Mailbox,
    transport::smtp::{
        self,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::ClientId,
        response::Severity,
    },
};
use percent_encoding::percent_decode_str;
use tokio::time::{Instant, timeout};
use url::Url;

use crate::model::Outcome;

/// How long connecting and each command may take, and whether a connection that rests is still one.
const COMMAND_TIME: Duration = Duration::from_secs(20);
const PROBE_TIME: Duration = Duration::from_secs(2);
/// How long it may take until a letter can go over the wire, with connecting.
const READY_TIME: Duration = Duration::from_secs(40);
/// How long the server may think about a letter that it has: many look for spam meanwhile.
const VERDICT_TIME: Duration = Duration::from_secs(60);
/// Connections to the server, and how long one is kept that rests.
pub(crate) const CONNECTIONS: usize = 8;
const REST: Duration = Duration::from_secs(30);

const EXPECTED: &str =
    "expected an address such as smtps://user:password@host:465 or smtp://host:587";

/// How the way to the server is kept private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Privacy {
    /// TLS from the first byte (RFC 8314, §3.3).
    Tls,
    /// TLS after `STARTTLS`, or nothing (RFC 3207).
    StartTls,
    /// None.
    Plain,
}

/// Where letters go, and from whom they are.
#[derive(Clone)]
pub struct SmtpServer {
    host: String,
    port: u16,
    privacy: Privacy,
    credentials: Option<Credentials>,
    from: Mailbox,
}

impl fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, privacy, from, .. } = self;
        f.debug_struct("SmtpServer")
            .field("server", &format_args!("{host}:{port}"))
            .field("privacy", privacy)
            .field("from", &from.to_string())
            .finish_non_exhaustive()
    }
}

impl SmtpServer {
    /// Reads `smtps://user:password@host:465`, or `smtp://host:587`: that begins TLS with `STARTTLS`, unless the host is this machine or
    /// `?tls=none` says so, which goes without password only.
    pub fn parse(url: &str, from: Mailbox) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|_| EXPECTED)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(EXPECTED)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_here = match host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => host == "localhost",
        };
        let privacy = match (url.scheme(), url.query()) {
            ("smtps", None) => Privacy::Tls,
            ("smtp", None) if is_here => Privacy::Plain,
            ("smtp", None | Some("tls=starttls")) => Privacy::StartTls,
            ("smtp", Some("tls=none")) => Privacy::Plain,
            _ => return Err(EXPECTED.to_owned()),
        };
        let usual = if privacy == Privacy::Tls { 465 } else { 587 };
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let credentials = match (decoded(url.username()), url.password()) {
            (user, None) if user.is_empty() => None,
            (user, password) => Some(Credentials::new(user, decoded(password.unwrap_or_default()))),
        };
        if credentials.is_some() && privacy == Privacy::Plain && !is_here {
            return Err(
                "a password goes over TLS only: smtps://, or smtp:// without tls=none".into()
            );
        }
        Ok(Self { host, port: url.port().unwrap_or(usual), privacy, credentials, from })
    }

    /// Reads `Shop <shop@example.com>`, or the address alone.
    pub fn parse_from(text: &str) -> Result<Mailbox, String> {
        let expected = || "expected an address such as Shop <shop@example.com>".to_owned();
        let from: Mailbox = text.parse().map_err(|_| expected())?;
        let email = to_ascii(from.email.as_ref()).ok_or_else(expected)?;
        Ok(Mailbox::new(from.name, email))
    }

    pub(crate) const fn from(&self) -> &Mailbox {
        &self.from
    }

    /// A way to the server: connections come about when they are wanted.
    pub(crate) fn open(&self) -> Result<Smtp> {
        let tls = match self.privacy {
            Privacy::Plain => None,
            Privacy::Tls | Privacy::StartTls => {
                Some(TlsParameters::new(self.host.clone()).map_err(Error::internal)?)
            }
        };
        Ok(Smtp { server: self.clone(), tls, resting: Mutex::default() })
    }

    /// Connects, and says who we are.
    async fn connect(&self, tls: Option<&TlsParameters>) -> Result<AsyncSmtpConnection, Outcome> {
        let hello = ClientId::Domain(self.from.email.domain().to_owned());
        let place = (self.host.as_str(), self.port);
        let first = tls.filter(|_| self.privacy == Privacy::Tls).cloned();
        let limit = Some(COMMAND_TIME);
        let connecting = AsyncSmtpConnection::connect_tokio1(place, limit, &hello, first, None);
        let mut connection = within(connecting).await.map_err(away)?;
        if let (Privacy::StartTls, Some(tls)) = (self.privacy, tls) {
            within(connection.starttls(tls.clone(), &hello)).await.map_err(away)?;
        }
        if let Some(credentials) = &self.credentials {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            within(connection.auth(&mechanisms, credentials)).await.map_err(away)?;
        }
        Ok(connection)
    }
}

/// An address as it goes over the wire: with the domain in ASCII (RFC 5891). Nothing of one that only a server with SMTPUTF8 (RFC 6531)
/// would take.
pub(crate) fn to_ascii(address: &str) -> Option<Address> {
    let (user, domain) = address.rsplit_once('@')?;
    let domain = match url::Host::parse(domain).ok()? {
        url::Host::Domain(domain) => domain,
        url::Host::Ipv4(_) | url::Host::Ipv6(_) => return None,
    };
    if !user.is_ascii() {
        return None;
    }
    Address::new(user, domain).ok()
}

/// The way to a server.
pub(crate) struct Smtp {
    server: SmtpServer,
    tls: Option<TlsParameters>,
    /// Connections on which the last letter was taken, and since when: on others nobody knows which answer is to what.
    resting: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

impl Smtp {
    /// Hands a letter over. Whoever is not answered does not know whether the server has it.
    pub(crate) async fn send(&self, letter: &Message) -> Outcome {
        let ready =
            timeout(READY_TIME, self.ready(letter)).await.unwrap_or_else(|_| Err(away(None)));
        let mut connection = match ready {
            Ok(connection) => connection,
            Err(outcome) => return outcome,
        };
        let verdict = timeout(VERDICT_TIME, connection.message(&letter.formatted())).await;
        // From here on it may have the letter, so whatever is no answer counts as an attempt.
        let unknown =
            |why: String| Outcome::Deferred(format!("nobody knows whether it was taken: {why}"));
        let taken = match verdict {
            Err(_) => return unknown("the mail server does not answer".to_owned()),
            Ok(Err(error)) if error.status().is_none() => {
                return unknown(without_addresses(&error.to_string()));
            }
            Ok(Err(error)) => return judged(Some(error)),
            Ok(Ok(taken)) => taken,
        };
        if taken.code().severity != Severity::PositiveCompletion {
            return unknown("the mail server answers something else".to_owned());
        }
        self.resting().push((connection, Instant::now()));
        Outcome::Sent
    }

    /// A connection over which the letter can go next.
    async fn ready(&self, letter: &Message) -> Result<AsyncSmtpConnection, Outcome> {
        let mut connection = match self.rested().await {
            Some(connection) => connection,
            None => self.server.connect(self.tls.as_ref()).await?,
        };
        let envelope = letter.envelope();
        // Whoever may not send at all says nothing about this letter.
        let mail = Mail::new(envelope.from().cloned(), Vec::new());
        within(connection.command(mail)).await.map_err(away)?;
        for to in envelope.to() {
            let recipient = Rcpt::new(to.clone(), Vec::new());
            within(connection.command(recipient)).await.map_err(judged)?;
        }
        let go_on = within(connection.command(Data)).await.map_err(judged)?;
        match go_on.has_code(354) {
            true => Ok(connection),
            false => Err(Outcome::Away("the mail server answers something else".to_owned())),
        }
    }

    /// A connection that is still one.
    async fn rested(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut connection, since) = self.resting().pop()?;
            let is_fresh = since.elapsed() < REST;
            let probe = timeout(PROBE_TIME, connection.test_connected());
            if is_fresh && probe.await.is_ok_and(|is_there| is_there) {
                return Some(connection);
            }
        }
    }

    fn resting(&self) -> std::sync::MutexGuard<'_, Vec<(AsyncSmtpConnection, Instant)>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a step came to; nothing where it took too long.
async fn within<T>(
    step: impl Future<Output = Result<T, smtp::Error>>,
) -> Result<T, Option<smtp::Error>> {
    timeout(COMMAND_TIME, step).await.map_err(|_| None)?.map_err(Some)
}

fn away(error: impl Into<Option<smtp::Error>>) -> Outcome {
    let silent = || "the mail server does not answer".to_owned();
    Outcome::Away(error.into().map_or_else(silent, |error| without_addresses(&error.to_string())))
}

/// What the server says to a recipient, or to a letter.
fn judged(error: Option<smtp::Error>) -> Outcome {
    let code = error.as_ref().and_then(smtp::Error::status).map(u16::from);
    let why = error.as_ref().map(|error| without_addresses(&error.to_string()));
    match (code, why) {
        (Some(code), Some(why)) => outcome(code, why),
        _ => away(error),
    }
}

/// What a code says (RFC 5321, §4.2.3).
fn outcome(code: u16, why: String) -> Outcome {
    match code {
        // It closes, takes no mail, or knows us not.
        421 | 521 | 530..=539 => Outcome::Away(why),
        // A matter of policy (RFC 3463, §3.8): of what it lets us do, perhaps, and not of the recipient.
        500..=599 if why.contains("5.7.") => Outcome::Deferred(why),
        400..=499 => Outcome::Deferred(why),
        500..=599 => Outcome::Refused(why),
        _ => Outcome::Away(why),
    }
}

/// The words of a server without addresses of people: they are kept for a while, and shown.
fn without_addresses(text: &str) -> String {
    let shown = |word: &str| if word.contains('@') { "…".to_owned() } else { word.to_owned() };
    text.split_whitespace().map(shown).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<SmtpServer, String> {
        SmtpServer::parse(url, SmtpServer::parse_from("Shop <shop@example.com>").unwrap())
    }

    #[test]
    fn an_address_says_how_private_the_way_is() {
        for (url, port, privacy) in [
            ("smtps://user:password@mail.example.com:465", 465, Privacy::Tls),
            ("smtps://mail.example.com", 465, Privacy::Tls),
            ("smtp://user:password@mail.example.com", 587, Privacy::StartTls),
            ("smtp://mail.example.com:25?tls=starttls", 25, Privacy::StartTls),
            ("smtp://relay:25?tls=none", 25, Privacy::Plain),
            ("smtp://user:password@127.0.0.1:1025", 1025, Privacy::Plain),
            ("smtp://[::1]:1025", 1025, Privacy::Plain),
        ] {
            let server = parse(url).unwrap();
            assert_eq!((server.port, server.privacy), (port, privacy), "{url}");
        }
        for wrong in [
            "",
            "mail.example.com",
            "http://a",
            "smtps://",
            "smtps://a?tls=none",
            "smtp://u:p@a?tls=none",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_server_is_shown_without_its_password() {
        assert!(SmtpServer::parse_from("shöp@example.com").is_err());
        let from = SmtpServer::parse_from("Tee <shop@exämple.com>").unwrap();
        assert_eq!(from.email.to_string(), "shop@xn--exmple-cua.com");
        let server = parse("smtps://shop%40example.com:s%3Asa+m&e@mail.example.com").unwrap();
        assert!(!format!("{server:?}").contains("sa+m"));
        let expected = Credentials::new("shop@example.com".to_owned(), "s:sa+m&e".to_owned());
        assert_eq!(server.credentials, Some(expected));
    }

    #[test]
    fn codes_say_whether_a_letter_will_ever_do() {
        let judged = |code| outcome(code, String::new());
        for code in [550, 553, 554, 501] {
            assert!(matches!(judged(code), Outcome::Refused(_)), "{code}");
        }
        let policy = outcome(554, "permanent error (554): 5.7.1 Relay access denied".to_owned());
        assert!(matches!(policy, Outcome::Deferred(_)), "{policy:?}");
        for code in [450, 451, 452] {
            assert!(matches!(judged(code), Outcome::Deferred(_)), "{code}");
        }
        for code in [421, 530, 535, 354] {
            assert!(matches!(judged(code), Outcome::Away(_)), "{code}");
        }
        assert!(matches!(super::judged(None), Outcome::Away(_)));
    }

    #[test]
    fn addresses_go_in_ascii_and_are_not_kept() {
        let ascii = |address| to_ascii(address).map(|address| address.to_string());
        assert_eq!(ascii("ada@exämple.com").as_deref(), Some("ada@xn--exmple-cua.com"));
        assert_eq!(ascii("a.b+c@example.com").as_deref(), Some("a.b+c@example.com"));
        for nobody in ["ädä@example.com", "ada", "ada@", "@example.com", "a b@example.com"] {
            assert_eq!(ascii(nobody), None, "{nobody}");
        }
        let said = "permanent error (550): 5.1.1 <ada@example.com>: no such mailbox";
        assert_eq!(without_addresses(said), "permanent error (550): 5.1.1 … no such mailbox");
    }
}
