//! One error for the whole program: a code from a closed list, a message for the client, a source for the log.

use std::{borrow::Cow, error::Error as StdError, fmt, io};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The result of anything that can be refused or fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was refused or failed. The list is closed: clients may branch on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each code is explained to clients at /problems/{code}")]
pub enum Code {
    Malformed,
    UnknownField,
    InvalidParameter,
    InvalidCursor,
    InvalidHeader,
    Unauthenticated,
    InvalidToken,
    TokenExpired,
    TokenRevoked,
    InvalidCredentials,
    Forbidden,
    NotFound,
    RouteNotFound,
    MethodNotAllowed,
    NotAcceptable,
    RequestTimeout,
    VersionConflict,
    InsufficientStock,
    NotOnSale,
    BelowReserved,
    UsernameTaken,
    SkuTaken,
    InvalidTransition,
    PriceChanged,
    IdempotencyInProgress,
    IdempotencyKeySpent,
    WebhookDisabled,
    RoleTaken,
    RoleInUse,
    MfaRequired,
    MfaEnabled,
    LimitReached,
    HoldExpired,
    EventsExpired,
    PaymentOpen,
    PaymentDeclined,
    PaymentsDisabled,
    MailDisabled,
    RefundExceedsCaptured,
    InvalidSignature,
    PreconditionFailed,
    ContentTooLarge,
    UriTooLong,
    UnsupportedMediaType,
    Validation,
    IdempotencyKeyReused,
    UnknownProduct,
    MixedCurrencies,
    TotalTooLarge,
    PreconditionRequired,
    RateLimited,
    HeadersTooLarge,
    Internal,
    Unavailable,
    Overloaded,
    StorageFull,
    Timeout,
}

/// As clients read it.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// What a client hears of a surprise.
const SURPRISE: &str = "something went wrong on our side; it has been logged";

/// A refusal or a failure.
///
/// `message` and `extras` are safe for clients; `source` is for the log.
pub struct Error(Box<Inner>);

struct Inner {
    code: Code,
    message: Cow<'static, str>,
    fields: Vec<FieldError>,
    extras: Map<String, Value>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    /// Whether it says that something is absent that the caller may not see.
    hidden: bool,
}

/// What is wrong with one member of a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// A JSON pointer (RFC 6901) as a URI fragment, such as `#/items/0/quantity`.
    pub pointer: String,
    /// What kind of wrong.
    pub code: Cow<'static, str>,
    /// The expected shape.
    pub detail: String,
}

impl Error {
    /// A refusal with a message for the client.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            code,
            message: message.into(),
            fields: Vec::new(),
            extras: Map::new(),
            source: None,
            hidden: false,
        }))
    }

    /// A surprise: the client learns nothing of it, the log everything.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Code::Internal, SURPRISE).with_source(source)
    }

    /// A file that the system did not give: `unavailable`, or `storage-full` when there is no room for it.
    pub fn io(what: impl fmt::Display, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::no_room(what).with_source(error)
            }
            _ => Self::new(Code::Unavailable, what.to_string()).with_source(error),
        }
    }

    /// There is no room on the disk.
    pub fn no_room(what: impl fmt::Display) -> Self {
        let why = "there is no room on its disk. Nothing is lost: free some, and start again";
        Self::new(Code::StorageFull, format!("{what}: {why}"))
    }

    /// Nothing of that name, or nothing that the caller may see.
    #[must_use]
    pub fn not_found(what: &'static str) -> Self {
        Self::new(Code::NotFound, format!("there is no such {what}"))
    }

    /// Something that the caller may not see, in the words of [`Self::not_found`]: what exists does not leak.
    #[must_use]
    pub fn hidden(what: &'static str) -> Self {
        let mut error = Self::not_found(what);
        error.0.hidden = true;
        error
    }

    /// One invalid member of a body.
    pub fn invalid(pointer: &str, detail: impl Into<String>) -> Self {
        let mut validation = Validation::default();
        validation.refuse(pointer, detail);
        validation.into_error()
    }

    /// A value that says more: a stock level, a current version.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.extras.insert(name.to_owned(), value.into());
        self
    }

    /// Values that say more.
    #[must_use]
    pub fn with_extras(mut self, extras: Map<String, Value>) -> Self {
        self.0.extras = extras;
        self
    }

    /// What is wrong, member by member.
    #[must_use]
    pub fn with_fields(mut self, fields: Vec<FieldError>) -> Self {
        self.0.fields = fields;
        self
    }

    /// The cause, for the log.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The same refusal for one more client; the source stays with the original, in words.
    #[must_use]
    pub fn copy(&self) -> Self {
        let Inner { code, message, fields, extras, source, hidden } = &*self.0;
        let source = source.as_ref().map(|source| source.to_string().into());
        Self(Box::new(Inner {
            code: *code,
            message: message.clone(),
            fields: fields.clone(),
            extras: extras.clone(),
            source,
            hidden: *hidden,
        }))
    }

    /// Whether it may pass by itself: repeating makes sense.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self.code(),
            Code::Unavailable | Code::Overloaded | Code::StorageFull | Code::Timeout
        )
    }

    /// Whether something is said to be absent that the caller may not see.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        self.0.hidden
    }

    /// What went wrong, in the words of who found it: for the log, and for who runs a command.
    #[must_use]
    pub fn cause(&self) -> String {
        let text = self.to_string();
        let surprise = format!("{SURPRISE}: ");
        text.strip_prefix(&surprise).map_or(text.clone(), str::to_owned)
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The message for the client.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What is wrong, member by member.
    #[must_use]
    pub fn fields(&self) -> &[FieldError] {
        &self.0.fields
    }

    /// Values that say more.
    #[must_use]
    pub fn extras(&self) -> &Map<String, Value> {
        &self.0.extras
    }
}

/// For programs that tell what went wrong in sentences.
impl From<Error> for String {
    fn from(error: Error) -> Self {
        error.to_string()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.code)?;
        self.0.fields.iter().try_for_each(|field| write!(f, "; {} {}", field.pointer, field.detail))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// An error as one process tells it to another: the source stays in the log of the first.
#[derive(Serialize, Deserialize)]
struct Passed<'a> {
    code: Code,
    message: Cow<'a, str>,
    #[serde(default)]
    fields: Cow<'a, [FieldError]>,
    #[serde(default)]
    extras: Cow<'a, Map<String, Value>>,
}

impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Inner { code, message, fields, extras, .. } = &*self.0;
        Passed {
            code: *code,
            message: Cow::Borrowed(message),
            fields: Cow::Borrowed(fields),
            extras: Cow::Borrowed(extras),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Error {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Passed { code, message, fields, extras } = Passed::deserialize(deserializer)?;
        let message = message.into_owned().into();
        let (fields, extras) = (fields.into_owned(), extras.into_owned());
        let (source, hidden) = (None, false);
        Ok(Self(Box::new(Inner { code, message, fields, extras, source, hidden })))
    }
}

/// Collects what is wrong with a body, so that a client learns all of it at once.
#[derive(Debug, Default)]
pub struct Validation(Vec<FieldError>);

impl Validation {
    /// Notes that the member at `pointer` is wrong.
    pub fn refuse(&mut self, pointer: &str, detail: impl Into<String>) {
        self.0.push(FieldError {
            pointer: pointer.to_owned(),
            code: "invalid".into(),
            detail: detail.into(),
        });
    }

    /// Notes a refusal and goes on with `None`.
    pub fn take<T>(&mut self, pointer: &str, result: Result<T, impl Into<String>>) -> Option<T> {
        result.map_err(|detail| self.refuse(pointer, detail)).ok()
    }

    /// Passes when nothing was refused.
    pub fn finish(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(self.into_error()) }
    }

    fn into_error(self) -> Error {
        let message = match self.0.as_slice() {
            [one] => format!("{}: {}", one.pointer, one.detail),
            many => format!("{} members are invalid", many.len()),
        };
        Error::new(Code::Validation, message).with_fields(self.0)
    }
}
