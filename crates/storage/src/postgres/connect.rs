//! Connections: where to, how encrypted, how many, and what their sessions may do to others.

use std::{fs, sync::Arc, time::Duration};

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use holdfast_types::{Code, Error, Result};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use tokio_postgres::{Config, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Connections of one process. A few are enough: the hot path uses one for each batch in flight.
const CONNECTIONS: usize = 16;
/// A request that finds all connections busy waits this long.
const POOL_WAIT: Duration = Duration::from_secs(2);
/// Connecting may take this long, for each address of the server.
const CONNECT_TIME: Duration = Duration::from_secs(2);

/// What keeps a session from holding others up when its client is killed, stopped or cut off: a transaction that
/// nobody drives is ended after a second, and nobody waits much longer than that for a row. A second, because a client that
/// was stopped may have two of them: one that holds a row, and one that is given it next. Milliseconds.
/// Every query has an index, so plans are made once and never read whole tables because nobody has counted them yet.
const SESSION: &str = "
    SET idle_in_transaction_session_timeout = 1000;
    SET lock_timeout = 2500;
    SET statement_timeout = 10000;
    SET client_connection_check_interval = 1000;
    SET tcp_user_timeout = 3000;
    SET tcp_keepalives_idle = 2;
    SET tcp_keepalives_interval = 1;
    SET tcp_keepalives_count = 2;
    SET synchronous_commit = on;
    SET plan_cache_mode = force_generic_plan;
    SET enable_seqscan = off;
    SET jit = off;
    SET TIME ZONE 'UTC'";

pub(super) fn pool(url: &str) -> Result<Pool> {
    let (url, tls) = Tls::take_from(url)?;
    let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
        refuse("is not a connection string of PostgreSQL").with_source(error)
    })?;
    config
        .ssl_mode(tls.mode)
        .application_name("holdfast")
        .connect_timeout(CONNECT_TIME)
        .tcp_user_timeout(Duration::from_secs(5))
        .keepalives_idle(Duration::from_secs(5));
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(config, MakeRustlsConnect::new(tls.client()?), recycling);
    Pool::builder(manager)
        .runtime(Runtime::Tokio1)
        .max_size(CONNECTIONS)
        .wait_timeout(Some(POOL_WAIT))
        .create_timeout(Some(2 * CONNECT_TIME))
        .recycle_timeout(Some(CONNECT_TIME))
        .post_create(Hook::async_fn(|client, _| {
            Box::pin(async move { client.batch_execute(SESSION).await.map_err(HookError::Backend) })
        }))
        .build()
        .map_err(Error::internal)
}

fn refuse(why: &str) -> Error {
    Error::new(Code::InvalidParameter, format!("DB_CONNECTION_STRING: {why}"))
}

/// `sslmode` and `sslrootcert`, with the meaning that PostgreSQL's own clients give them
/// (<https://www.postgresql.org/docs/current/libpq-ssl.html>).
struct Tls {
    mode: SslMode,
    /// Whether the server must prove who it is.
    verify: bool,
    /// A file with the certificates to trust, instead of the system's.
    roots: Option<String>,
}

impl Tls {
    /// Takes both out of the connection string, since the driver knows less of them.
    fn take_from(url: &str) -> Result<(String, Self)> {
        let mut tls = Self { mode: SslMode::Prefer, verify: false, roots: None };
        let Some((place, query)) = url.split_once('?') else { return Ok((url.to_owned(), tls)) };
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", mode)) => (tls.mode, tls.verify) = ssl_mode(mode)?,
                Some(("sslrootcert", path)) => tls.roots = Some(path.replace("%2F", "/")),
                _ => rest.push(pair),
            }
        }
        // As libpq has it: whoever names certificates wants them verified.
        tls.verify |= tls.roots.is_some() && tls.mode == SslMode::Require;
        Ok((format!("{place}?{}", rest.join("&")), tls))
    }

    fn client(&self) -> Result<ClientConfig> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(Error::internal)?;
        if !self.verify {
            let anyone = Arc::new(Anyone(provider));
            let config = config.dangerous().with_custom_certificate_verifier(anyone);
            return Ok(config.with_no_client_auth());
        }
        let mut roots = RootCertStore::empty();
        match &self.roots {
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
            Some(path) => {
                let pem = fs::read(path).map_err(|error| {
                    refuse(&format!("cannot read sslrootcert {path}")).with_source(error)
                })?;
                let found = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
                if roots.add_parsable_certificates(found).0 == 0 {
                    return Err(refuse(&format!("sslrootcert {path} has no certificate in it")));
                }
            }
        }
        Ok(config.with_root_certificates(roots).with_no_client_auth())
    }
}

fn ssl_mode(mode: &str) -> Result<(SslMode, bool)> {
    match mode {
        "disable" => Ok((SslMode::Disable, false)),
        "prefer" => Ok((SslMode::Prefer, false)),
        "require" => Ok((SslMode::Require, false)),
        "verify-full" => Ok((SslMode::Require, true)),
        _ => Err(refuse("sslmode is one of disable, prefer, require, verify-full")),
    }
}

/// Encrypts without asking whom it talks to: what `prefer` and `require` mean.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
