//! Where pictures are: in a folder, or in a bucket that speaks the language of S3.

use std::{fmt, path, sync::Arc, time::Duration};

use holdfast_types::{Code, Error, Result};
use object_store::{
    ClientConfigKey, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    local::LocalFileSystem,
    path::Path,
};

/// The folder beside the shop's data.
const FOLDER: &str = "media";
/// How long a bucket may take for one answer, and with repeats.
const ANSWER_TIME: &str = "8s";
const RETRY_TIME: Duration = Duration::from_secs(15);

/// Where pictures are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In a folder, which is made with the first picture.
    Folder(path::PathBuf),
    /// In a bucket.
    Bucket(Bucket),
}

/// A bucket that speaks S3.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Bucket {
    /// `s3://NAME`, or `s3://NAME/FOLDER`.
    pub url: String,
    /// The account; none for that of the machine, where a cloud lends it one.
    pub access_key: Option<String>,
    /// Its secret.
    pub secret_key: Option<String>,
    /// Such as `eu-central-1`; none where there is one only.
    pub region: Option<String>,
    /// Such as `https://s3.example.com`; none for Amazon's.
    pub endpoint: Option<String>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Location {
    /// Where settings say: the folder `media` in `data_dir` where there is no `url`, else a bucket.
    pub fn of(bucket: Bucket, data_dir: &path::Path) -> Result<Self> {
        match bucket.url.strip_prefix("s3://") {
            _ if bucket.url.is_empty() => Ok(Self::Folder(data_dir.join(FOLDER))),
            Some(rest) if !rest.starts_with('/') && !rest.is_empty() => Ok(Self::Bucket(bucket)),
            _ => {
                let why = "media: expected s3://BUCKET or s3://BUCKET/FOLDER, or nothing for a folder beside the data";
                Err(Error::new(Code::InvalidParameter, why))
            }
        }
    }

    pub(crate) fn open(&self) -> Result<(Arc<dyn ObjectStore>, Path)> {
        match self {
            Self::Folder(folder) => {
                let folder = path::absolute(folder).map_err(|error| refuse(&error))?;
                let folder = Path::from_absolute_path(folder).map_err(|error| refuse(&error))?;
                // A picture that is acknowledged outlives a power cut.
                Ok((Arc::new(LocalFileSystem::new().with_fsync(true)), folder))
            }
            Self::Bucket(bucket) => bucket.open(),
        }
    }
}

impl Bucket {
    fn open(&self) -> Result<(Arc<dyn ObjectStore>, Path)> {
        let rest = self.url.trim_start_matches("s3://");
        let (name, folder) = rest.split_once('/').unwrap_or((rest, ""));
        let retry =
            RetryConfig { max_retries: 3, retry_timeout: RETRY_TIME, ..RetryConfig::default() };
        let known = [
            (AmazonS3ConfigKey::AccessKeyId, &self.access_key),
            (AmazonS3ConfigKey::SecretAccessKey, &self.secret_key),
            (AmazonS3ConfigKey::Region, &self.region),
            (AmazonS3ConfigKey::Endpoint, &self.endpoint),
        ];
        let builder = known
            .into_iter()
            .filter_map(|(key, value)| Some((key, value.clone()?)))
            .fold(AmazonS3Builder::new(), |builder, (key, value)| builder.with_config(key, value));
        let is_plain = self.endpoint.as_deref().is_some_and(|url| url.starts_with("http://"));
        let store = builder
            .with_bucket_name(name)
            .with_allow_http(is_plain)
            .with_retry(retry)
            .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), ANSWER_TIME)
            .build()
            .map_err(|error| refuse(&error))?;
        Ok((Arc::new(store), Path::parse(folder).map_err(|error| refuse(&error))?))
    }
}

fn refuse(error: &dyn fmt::Display) -> Error {
    Error::new(Code::InvalidParameter, format!("media: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_name_a_folder_or_a_bucket() {
        let data = path::Path::new("data");
        let bucket = |url: &str| Bucket { url: url.to_owned(), ..Bucket::default() };
        let folder = Location::Folder("data/media".into());
        assert_eq!(Location::of(bucket(""), data).unwrap(), folder);
        for good in ["s3://pictures", "s3://pictures/of/tea"] {
            let location = Location::of(bucket(good), data).unwrap();
            assert_eq!(location, Location::Bucket(bucket(good)));
            location.open().unwrap();
        }
        for bad in ["pictures", "s3://", "s3:///x", "https://example.com"] {
            assert!(Location::of(bucket(bad), data).is_err(), "{bad}");
        }
    }
}
