//! Where pictures are: in a folder, or in a bucket that speaks the language of S3.

use std::{path, sync::Arc, time::Duration};

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
    /// In a bucket: `s3://NAME`, or `s3://NAME/FOLDER`.
    Bucket(String),
}

impl Location {
    /// Reads a setting: empty for the folder `media` in `data_dir`, else an address of a bucket.
    pub fn parse(text: &str, data_dir: &path::Path) -> Result<Self> {
        match text.strip_prefix("s3://") {
            _ if text.is_empty() => Ok(Self::Folder(data_dir.join(FOLDER))),
            Some(rest) if !rest.starts_with('/') && !rest.is_empty() => {
                Ok(Self::Bucket(text.to_owned()))
            }
            _ => {
                let why = "media: expected s3://BUCKET or s3://BUCKET/FOLDER, or nothing for a folder beside the data";
                Err(Error::new(Code::InvalidParameter, why))
            }
        }
    }

    pub(crate) fn open(&self) -> Result<(Arc<dyn ObjectStore>, Path)> {
        let refuse = |error: &dyn std::fmt::Display| {
            Error::new(Code::InvalidParameter, format!("media: {error}"))
        };
        match self {
            Self::Folder(folder) => {
                let folder = path::absolute(folder).map_err(|error| refuse(&error))?;
                let folder = Path::from_absolute_path(folder).map_err(|error| refuse(&error))?;
                // A picture that is acknowledged outlives a power cut.
                Ok((Arc::new(LocalFileSystem::new().with_fsync(true)), folder))
            }
            Self::Bucket(url) => {
                let rest = url.trim_start_matches("s3://");
                let (bucket, folder) = rest.split_once('/').unwrap_or((rest, ""));
                let retry = RetryConfig {
                    max_retries: 3,
                    retry_timeout: RETRY_TIME,
                    ..RetryConfig::default()
                };
                // Keys, region and endpoint come from AWS_ACCESS_KEY_ID and the others that every program knows.
                let store = AmazonS3Builder::from_env()
                    .with_bucket_name(bucket)
                    .with_retry(retry)
                    .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), ANSWER_TIME)
                    .build()
                    .map_err(|error| refuse(&error))?;
                let folder = Path::parse(folder).map_err(|error| refuse(&error))?;
                Ok((Arc::new(store), folder))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_name_a_folder_or_a_bucket() {
        let data = path::Path::new("data");
        let folder = Location::Folder("data/media".into());
        assert_eq!(Location::parse("", data).unwrap(), folder);
        for good in ["s3://pictures", "s3://pictures/of/tea"] {
            assert_eq!(Location::parse(good, data).unwrap(), Location::Bucket(good.to_owned()));
        }
        for bad in ["pictures", "s3://", "s3:///x", "https://example.com"] {
            assert!(Location::parse(bad, data).is_err(), "{bad}");
        }
    }
}
