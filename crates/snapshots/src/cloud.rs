//! Object stores of clouds, by URL.

use crate::{PORT, address};
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreScheme};
use std::sync::Arc;
use url::Url;
use vitrina_ports::PortError;

/// Variables that configure a cloud. Others are not shown to it: `REGION` or `TOKEN` may be
/// anybody's.
const VARIABLES: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];

/// The store at `url`; objects lie below its path.
pub(crate) fn open(url: &str) -> Result<Arc<dyn ObjectStore>, PortError> {
    let refused = || PortError::Invalid {
        what: address(url),
        expected: "file: and a folder, s3://bucket/prefix, gs://bucket/prefix or \
                   az://container@account/prefix",
    };
    let parsed = Url::parse(url).map_err(|_| refused())?;
    let (scheme, _) = ObjectStoreScheme::parse(&parsed).map_err(|_| refused())?;
    let is_cloud = matches!(
        scheme,
        ObjectStoreScheme::AmazonS3
            | ObjectStoreScheme::GoogleCloudStorage
            | ObjectStoreScheme::MicrosoftAzure
    );
    if !is_cloud {
        return Err(refused());
    }
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        let pair = (name.into_string().ok()?, value.into_string().ok()?);
        VARIABLES
            .iter()
            .any(|prefix| pair.0.starts_with(prefix))
            .then_some(pair)
    });
    let opened = object_store::parse_url_opts(&parsed, variables);
    let (store, prefix) = opened.map_err(|error| PortError::Unavailable {
        port: PORT,
        detail: error.to_string(),
    })?;
    Ok(Arc::new(PrefixStore::new(store, prefix)))
}
