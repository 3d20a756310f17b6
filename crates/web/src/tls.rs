//! TLS: to clients, who are strangers, and between processes of a shop, which both show a certificate (mutual TLS).
//! Certificates are read again when they change.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use holdfast_types::{Code, Error, Result};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor, client, rustls,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig, SignatureScheme,
        client::ResolvesClientCert,
        crypto::{CryptoProvider, aws_lc_rs},
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
        server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier},
        sign::CertifiedKey,
    },
    server,
};

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(5);
/// Protocols that clients are offered (RFC 7301).
const FOR_CLIENTS: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// What processes of a shop speak with each other.
const FOR_PEERS: [&[u8]; 1] = [b"http/1.1"];

/// What a listener shows, and whom it lets in. Clones share it.
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<ServerConfig>,
    /// Whether browsers are told to come over nothing else (RFC 6797): what a gateway passes on is not its to say.
    pub(crate) is_for_clients: bool,
}

impl Tls {
    /// Reads a certificate chain and its key, both PEM, and reads them again whenever one of the files changes.
    /// A pair that cannot be used is refused here; later it is logged, and the one before stays.
    pub fn open(certificate: &Path, key: &Path) -> Result<Self> {
        let shown = Shown::open(certificate, key)?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(Error::internal)?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(shown);
        config.alpn_protocols = FOR_CLIENTS.map(<[u8]>::to_vec).into();
        Ok(Self { config: Arc::new(config), is_for_clients: true })
    }

    /// Refuses a pair that cannot be used, without using it.
    pub fn check(certificate: &Path, key: &Path) -> Result<()> {
        read(certificate, key).map(|_| ())
    }

    /// Shakes hands with a client.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<server::TlsStream<TcpStream>> {
        TlsAcceptor::from(Arc::clone(&self.config)).accept(stream).await
    }
}

/// Mutual TLS between the processes of a shop (RFC 8446 §4.3.2): each shows a certificate of one authority, and talks to
/// nobody who does not. TLS 1.3 only. Clones share it.
#[derive(Clone, Debug)]
pub struct InternalTls {
    listener: Tls,
    dialer: Arc<ClientConfig>,
}

impl InternalTls {
    /// Reads a certificate chain, its key, and the certificates of the authority that others must be of, all PEM.
    /// Chain and key are read again whenever they change, the authority is not.
    pub fn open(certificate: &Path, key: &Path, authority: &Path) -> Result<Self> {
        let shown = Shown::open(certificate, key)?;
        let roots = Arc::new(read_authority(authority)?);
        let versions = [&rustls::version::TLS13];
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider())
            .build()
            .map_err(|error| refuse(authority, &error))?;
        let mut listener = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&versions)
            .map_err(Error::internal)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        listener.alpn_protocols = FOR_PEERS.map(<[u8]>::to_vec).into();
        let dialer = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&versions)
            .map_err(Error::internal)?
            .with_root_certificates(roots)
            .with_client_cert_resolver(shown);
        Ok(Self {
            listener: Tls { config: Arc::new(listener), is_for_clients: false },
            dialer: Arc::new(dialer),
        })
    }

    /// For what other processes come to.
    #[must_use]
    pub fn listener(&self) -> Tls {
        self.listener.clone()
    }

    /// For going to other processes, with a client of its own.
    #[must_use]
    pub fn dialer(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.dialer)
    }

    /// Shakes hands with the process at the other end, which must be `name`.
    pub(crate) async fn connect(
        &self,
        name: ServerName<'static>,
        stream: TcpStream,
    ) -> io::Result<client::TlsStream<TcpStream>> {
        tokio_rustls::TlsConnector::from(Arc::clone(&self.dialer)).connect(name, stream).await
    }
}

/// The certificate that is shown now.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl Shown {
    fn open(certificate: &Path, key: &Path) -> Result<Arc<Self>> {
        let shown = Arc::new(Self(RwLock::new(Arc::new(read(certificate, key)?))));
        let (watched, files) = (Arc::clone(&shown), [certificate.to_owned(), key.to_owned()]);
        tokio::spawn(async move { watched.watch(&files).await });
        Ok(shown)
    }

    fn now(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn watch(&self, files: &[PathBuf; 2]) {
        let mut seen = changed(files);
        loop {
            tokio::time::sleep(LOOK).await;
            let now = changed(files);
            if now == seen {
                continue;
            }
            match read(&files[0], &files[1]) {
                Ok(key) => {
                    *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
                    seen = now;
                    tracing::info!(file = %files[0].display(), "the certificate was read again");
                }
                // Perhaps only one of the two is new yet: the next look tries again.
                Err(error) => tracing::warn!(%error, "the certificate before stays"),
            }
        }
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now())
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.now())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn changed(files: &[PathBuf; 2]) -> [Option<SystemTime>; 2] {
    files.each_ref().map(|file| std::fs::metadata(file).and_then(|file| file.modified()).ok())
}

fn refuse(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::new(Code::InvalidParameter, format!("{}: {error}", path.display()))
}

fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let found: Vec<_> = found.map_err(|error| refuse(file, &error))?;
    match found.is_empty() {
        true => Err(refuse(file, &"there is no certificate in it")),
        false => Ok(found),
    }
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey> {
    let chain = read_certificates(certificate)?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| refuse(key, &error))?;
    CertifiedKey::from_der(chain, secret, &provider()).map_err(|error| refuse(certificate, &error))
}

fn read_authority(file: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(file)? {
        roots.add(certificate).map_err(|error| refuse(file, &error))?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    fn of(name: &str, authority: &str) -> InternalTls {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../holdfast/tests/it/tls");
        let file = |name: String| folder.join(name);
        let (certificate, key) = (file(format!("{name}.pem")), file(format!("{name}-key.pem")));
        InternalTls::open(&certificate, &key, &file(format!("{authority}.pem"))).unwrap()
    }

    /// Whether `dialer` and whoever listens at `name` come to talk to each other.
    async fn talk(dialer: &InternalTls, listener: &InternalTls, name: &str) -> bool {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, listener) = (socket.local_addr().unwrap(), listener.listener());
        let accepted = tokio::spawn(async move {
            let (stream, _) = socket.accept().await.unwrap();
            if let Ok(mut stream) = listener.accept(stream).await {
                stream.write_all(b"!").await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let heard = match dialer.connect(name, stream).await {
            // In TLS 1.3 whoever dials learns only after its handshake that it was refused.
            Ok(mut stream) => stream.read_u8().await.is_ok(),
            Err(_) => false,
        };
        accepted.await.unwrap();
        heard
    }

    #[tokio::test]
    async fn processes_prove_to_each_other_who_they_are() {
        let (ours, elsewhere) =
            (of("process", "internal-authority"), of("elsewhere", "internal-authority"));
        assert!(talk(&ours, &ours, "127.0.0.1").await);
        assert!(talk(&elsewhere, &ours, "localhost").await, "one authority, another place");
        assert!(!talk(&ours, &elsewhere, "127.0.0.1").await, "not the one that was asked for");
        let stranger = of("first", "internal-authority");
        assert!(!talk(&stranger, &ours, "127.0.0.1").await, "not of our authority");
        assert!(!talk(&ours, &of("process", "authority"), "127.0.0.1").await);
        assert!(!talk(&of("process", "authority"), &ours, "127.0.0.1").await);
    }
}
