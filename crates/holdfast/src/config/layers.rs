//! Where a setting's value comes from.

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use holdfast_types::{Error, Result};

use super::refuse;
use crate::parts::Part;

/// The defaults, and the documentation of every setting.
pub(crate) const DEFAULTS: &str = include_str!("default.toml");

/// Settings that the environment knows by a name of its own.
const OWN_NAMES: [(&str, &str); 2] =
    [("DB_CONNECTION_STRING", "db_connection_string"), ("PORT", "port")];
/// Settings whose values are not shown.
const SECRETS: [&str; 6] = [
    "admin_password",
    "api_key",
    "cluster_secret",
    "media_secret_key",
    "stripe_secret_key",
    "stripe_webhook_secret",
];

/// Settings that may hold a password inside.
fn connection_strings() -> impl Iterator<Item = String> {
    let own = Part::SERVICES.into_iter().map(Part::database_key);
    own.chain(["db_connection_string", "nats_url", "smtp_url"].map(str::to_owned))
}

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// Settings by key.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// A configuration file that must be there.
    pub(crate) config_file: Option<PathBuf>,
}

/// Every setting's value, and the place that it stands in.
#[derive(Clone, Debug)]
pub(crate) struct Layers(BTreeMap<String, (String, String)>);

impl Layers {
    /// Lays the layers over each other. `environment` and `dotenv` are pairs of names and values, `handed_over` of keys and
    /// values: what a supervisor does not want to stand in the environment.
    pub(crate) fn new(
        flags: &Flags,
        environment: impl IntoIterator<Item = (String, String)>,
        dotenv: Vec<(String, String)>,
        handed_over: BTreeMap<String, String>,
    ) -> Result<Self> {
        let mut layers = Self(BTreeMap::new());
        let defaults = read_toml(DEFAULTS, "the defaults")?;
        layers
            .0
            .extend(defaults.into_iter().map(|(key, value)| (key, (value, "default".to_owned()))));
        layers.overlay_file(flags.config_file.as_deref())?;
        layers.overlay_environment(dotenv, ".env")?;
        layers.overlay_environment(environment, "environment")?;
        for (key, value) in handed_over {
            layers.0.insert(key, (value, "supervisor".to_owned()));
        }
        for (key, value) in &flags.settings {
            layers.0.insert((*key).to_owned(), (value.clone(), "command line".to_owned()));
        }
        Ok(layers)
    }

    fn overlay_file(&mut self, given: Option<&Path>) -> Result<()> {
        let path = given.unwrap_or_else(|| Path::new("holdfast.toml"));
        // A link that leads nowhere is a mistake, not an absence.
        if given.is_none() && path.symlink_metadata().is_err() {
            return Ok(());
        }
        let place = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|error| refuse(format!("{place}: {error}")))?;
        for (key, value) in read_toml(&text, &place)? {
            if !self.0.contains_key(&key) {
                return Err(refuse(format!(
                    "{place}: there is no setting `{key}`; `holdfast config --defaults` lists them all"
                )));
            }
            self.0.insert(key, (value, place.clone()));
        }
        Ok(())
    }

    fn overlay_environment(
        &mut self,
        pairs: impl IntoIterator<Item = (String, String)>,
        place: &str,
    ) -> Result<()> {
        for (name, value) in pairs {
            let own =
                OWN_NAMES.iter().find(|(own, _)| *own == name).map(|(_, key)| (*key).to_owned());
            let key = match (own, name.strip_prefix("HOLDFAST_")) {
                (Some(key), _) => key,
                (None, Some("CONFIG" | "SECRETS")) | (None, None) => continue,
                (None, Some(rest)) => rest.to_ascii_lowercase(),
            };
            let owned_elsewhere =
                OWN_NAMES.iter().any(|(own, own_key)| *own_key == key && *own != name);
            if !self.0.contains_key(&key) || owned_elsewhere {
                return Err(refuse(format!(
                    "{place}: there is no setting {name}; `holdfast config --defaults` lists them all"
                )));
            }
            self.0.insert(key, (value, format!("{place} ({name})")));
        }
        Ok(())
    }

    /// Whether a variable of the environment is a setting.
    pub(crate) fn is_ours(name: &str) -> bool {
        name.starts_with("HOLDFAST_") || OWN_NAMES.iter().any(|(own, _)| *own == name)
    }

    /// The value of a setting as a `T`; a refusal names the place.
    pub(super) fn parse<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T> {
        let (value, place) =
            self.0.get(key).ok_or_else(|| Error::internal(format!("no default for {key}")))?;
        parse(value).map_err(|why| refuse(format!("{place}: {key} = {}: {why}", shown(key, value))))
    }

    /// The value of a setting that may be empty.
    pub(super) fn optional(&self, key: &str) -> Result<Option<String>> {
        self.parse(key, |text| Ok(Some(text.to_owned()).filter(|text| !text.is_empty())))
    }

    /// The cluster's secret in plain text: for asking processes how they are.
    pub(crate) fn cluster_secret(&self) -> Result<Option<String>> {
        self.optional("cluster_secret")
    }

    /// What a process that serves `part` must know and others need not, as JSON.
    pub(crate) fn secrets_of(&self, part: Part) -> Result<Vec<u8>> {
        let databases = part.database_keys();
        let is_for = |key: &str| match (key, part) {
            ("cluster_secret", _) => true,
            (_, Part::Gateway) => false,
            ("admin_password", part) => part == Part::Users,
            ("media_secret_key", part) => part == Part::Products,
            ("nats_url" | "smtp_url", part) => part == Part::Events,
            ("stripe_secret_key" | "stripe_webhook_secret", part) => part == Part::Orders,
            (key, _) => databases.iter().any(|database| key == database),
        };
        let known = self.0.iter().filter(|(key, (value, _))| is_for(key) && !value.is_empty());
        let secrets: BTreeMap<&String, &String> =
            known.map(|(key, (value, _))| (key, value)).collect();
        serde_json::to_vec(&secrets).map_err(Error::internal)
    }

    /// The variables that may hold secrets.
    pub(crate) fn secret_variables() -> Vec<String> {
        let variable = |key: &str| {
            let own = OWN_NAMES.iter().find(|(_, own_key)| *own_key == key);
            own.map_or_else(
                || format!("HOLDFAST_{}", key.to_ascii_uppercase()),
                |(name, _)| (*name).to_owned(),
            )
        };
        let secrets = SECRETS.map(str::to_owned).into_iter().chain(connection_strings());
        secrets.map(|key| variable(&key)).collect()
    }

    /// Whether a value stands in `place` that others must not read.
    fn has_secret_from(&self, place: &str) -> bool {
        self.0.iter().any(|(key, (value, stands_in))| {
            let is_secret = SECRETS.contains(&key.as_str())
                || connection_strings().any(|known| known == *key)
                    && shown(key, value).contains("(hidden)");
            is_secret && !value.is_empty() && stands_in.starts_with(place)
        })
    }

    /// Refuses files that everybody on the machine can read although they hold a secret. Those that only a group can read
    /// come back: a group may be there for it.
    pub(crate) fn readable_secrets(&self) -> Result<Vec<PathBuf>> {
        let files = self.0.values().map(|(_, place)| place);
        let mut files: Vec<&str> =
            files.map(|place| place.split(" (").next().unwrap_or(place)).collect();
        files.sort_unstable();
        files.dedup();
        files.retain(|path| self.has_secret_from(path));
        let may = |path: &&str, bits: u32| {
            std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & bits != 0)
        };
        if let Some(path) = files.iter().find(|path| may(path, 0o004)) {
            return Err(refuse(format!(
                "{path}: everybody on this machine can read it, and it holds a secret: chmod 600 {path}"
            )));
        }
        files.retain(|path| may(path, 0o040));
        Ok(files.into_iter().map(PathBuf::from).collect())
    }

    /// The cluster's secret, where none was set.
    pub(crate) fn set_cluster_secret(&mut self, secret: String) {
        self.0.insert("cluster_secret".to_owned(), (secret, "supervisor".to_owned()));
    }

    /// All settings with their places, secrets hidden.
    pub(crate) fn shown(&self) -> Vec<(String, String, String)> {
        self.0
            .iter()
            .map(|(key, (value, place))| (key.clone(), shown(key, value), place.clone()))
            .collect()
    }
}

fn read_toml(text: &str, place: &str) -> Result<Vec<(String, String)>> {
    let table: toml::Table = text.parse().map_err(|error| refuse(format!("{place}: {error}")))?;
    let plain = |(key, value): (String, toml::Value)| match value {
        toml::Value::String(text) => Ok((key, text)),
        toml::Value::Integer(number) => Ok((key, number.to_string())),
        other => Err(refuse(format!(
            "{place}: {key}: expected text or a number, found {}",
            other.type_str()
        ))),
    };
    table.into_iter().map(plain).collect()
}

/// The value for people: secrets and passwords in connection strings are hidden.
fn shown(key: &str, value: &str) -> String {
    if value.is_empty() {
        return "\"\"".to_owned();
    }
    if SECRETS.contains(&key) {
        return "(hidden)".to_owned();
    }
    if connection_strings().any(|known| known == key) {
        return shown_connection(value);
    }
    format!("{value:?}")
}

/// A connection string without what may be a password: what stands before the `@`, parameters, and whatever has no shape
/// that is known.
fn shown_connection(value: &str) -> String {
    if value.starts_with("sqlite:") && !value.contains(['@', '?']) {
        return format!("{value:?}");
    }
    let (place, parameters) = match value.split_once('?') {
        Some((place, _)) => (place, "?(hidden)"),
        None => (value, ""),
    };
    match place.split_once("://") {
        Some((scheme, rest)) => match rest.rsplit_once('@') {
            Some((_, host)) => format!("\"{scheme}://(hidden)@{host}{parameters}\""),
            None => format!("\"{place}{parameters}\""),
        },
        None => "(hidden)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Config, *};

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn layers(
        flags: &Flags,
        environment: Vec<(String, String)>,
        dotenv: Vec<(String, String)>,
    ) -> Result<Layers> {
        Layers::new(flags, environment, dotenv, BTreeMap::new())
    }

    #[test]
    fn a_part_is_told_its_own_secrets_only() {
        let environment = pairs(&[
            ("HOLDFAST_ADMIN_PASSWORD", "sesame"),
            ("DB_CONNECTION_STRING", "postgres://u:p@h/db"),
            ("HOLDFAST_ORDERS_DB", "postgres://u:p@h/orders"),
        ]);
        let mut layers = layers(&Flags::default(), environment, Vec::new()).unwrap();
        layers.set_cluster_secret("s".repeat(32));
        let keys = |part| {
            let secrets = layers.secrets_of(part).unwrap();
            let secrets: BTreeMap<String, String> = serde_json::from_slice(&secrets).unwrap();
            secrets.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(keys(Part::Gateway), ["cluster_secret"]);
        assert_eq!(keys(Part::Users), ["admin_password", "cluster_secret", "db_connection_string"]);
        assert_eq!(keys(Part::Orders), ["cluster_secret", "db_connection_string", "orders_db"]);
        assert_eq!(keys(Part::Events), keys(Part::Orders));
        assert!(Layers::secret_variables().contains(&"DB_CONNECTION_STRING".to_owned()));
        assert!(Layers::secret_variables().contains(&"HOLDFAST_USERS_DB".to_owned()));
    }

    #[test]
    fn nearer_layers_win_and_others_are_left_alone() {
        let dotenv = pairs(&[("PORT", "4000"), ("HOLDFAST_ISSUER", "teashop"), ("EDITOR", "vi")]);
        let environment = pairs(&[("PORT", "5000"), ("HOME", "/")]);
        let flags =
            Flags { settings: vec![("data_dir", "elsewhere".to_owned())], config_file: None };
        let config = Config::load(&layers(&flags, environment, dotenv).unwrap()).unwrap();
        assert_eq!((config.listen.port(), config.issuer.as_str()), (5000, "teashop"));
        assert_eq!(config.data_dir, Path::new("elsewhere"));
    }

    #[test]
    fn what_is_unknown_or_invalid_is_refused_with_its_place() {
        for (name, value, part) in [
            ("HOLDFAST_PROT", "1", "environment: there is no setting HOLDFAST_PROT"),
            ("HOLDFAST_PORT", "1", "there is no setting HOLDFAST_PORT"),
            ("PORT", "http", "environment (PORT): port = \"http\": expected a port"),
            ("HOLDFAST_RATE_LIMITS", "maybe", "expected on or off"),
        ] {
            let layers = layers(&Flags::default(), pairs(&[(name, value)]), Vec::new());
            let error = layers.and_then(|layers| Config::load(&layers)).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn secrets_that_everybody_can_read_are_refused() {
        let folder = std::env::temp_dir().join(format!("holdfast-layers-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("holdfast.toml");
        let of = |text: &str, mode: u32| {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
            let flags = Flags { settings: Vec::new(), config_file: Some(file.clone()) };
            layers(&flags, Vec::new(), Vec::new()).unwrap().readable_secrets()
        };
        let secret = "admin_password = \"sesame\"";
        assert!(of(secret, 0o644).unwrap_err().to_string().contains("chmod 600"));
        assert_eq!(of(secret, 0o640).unwrap(), std::slice::from_ref(&file));
        assert!(of(secret, 0o600).unwrap().is_empty());
        assert!(of("port = 3000", 0o644).unwrap().is_empty());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn secrets_are_hidden() {
        let environment = pairs(&[
            ("HOLDFAST_ADMIN_PASSWORD", "sesame"),
            ("DB_CONNECTION_STRING", "postgres://u:sesame@h/db"),
        ]);
        let layers = layers(&Flags::default(), environment, Vec::new()).unwrap();
        assert!(!format!("{:?}", layers.shown()).contains("sesame"));
        for place in ["postgres://h/db?password=sesame", "postgres://u:x@h/db?sslpassword=sesame"] {
            let shown = shown("db_connection_string", place);
            assert!(shown.contains("(hidden)") && !shown.contains("sesame"), "{shown}");
        }
        let places = [
            "mongodb://h/d?authMechanismProperties=A:sesame",
            "host=h password=sesame",
            "postgres:u:sesame@h",
        ];
        for place in places {
            assert!(!shown("users_db", place).contains("sesame"), "{place}");
        }
        assert_eq!(shown("users_db", "sqlite:a.db"), "\"sqlite:a.db\"");
    }
}
