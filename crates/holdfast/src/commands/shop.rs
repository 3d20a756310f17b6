//! A running shop, of which a command is a client.

use holdfast_client::{Credentials, Shop};
use holdfast_types::Result;

use super::read_password;
use crate::cli::{API_KEY, ShopFlags};

/// The API key that the environment holds, where who lists processes does not see it.
pub(super) fn key_of_environment() -> Option<String> {
    std::env::var(API_KEY).ok().filter(|key| !key.is_empty())
}

/// Signs in, or shows an API key.
pub(super) async fn sign_in(flags: &ShopFlags) -> Result<Shop> {
    let password = match (&flags.key, &flags.password) {
        (Some(key), _) => return Shop::with_key(&flags.url, key).await,
        (None, Some(password)) => password.clone(),
        (None, None) => match key_of_environment() {
            Some(key) => return Shop::with_key(&flags.url, &key).await,
            None => read_password(&format!("Password of {}: ", flags.user))?,
        },
    };
    Shop::sign_in(&flags.url, Credentials { username: flags.user.clone(), password }).await
}
