//! A running shop, of which a command is a client.

use holdfast_client::{Credentials, Shop};
use holdfast_types::Result;

use super::read_password;
use crate::cli::{API_KEY, ShopFlags};

/// Who signs in when nobody is named.
const ADMINISTRATOR: &str = "admin";

/// The API key that the environment holds, where who lists processes does not see it.
pub(super) fn key_of_environment() -> Option<String> {
    std::env::var(API_KEY).ok().filter(|key| !key.is_empty())
}

/// Signs in, or shows an API key. The environment's is meant for who says nothing else.
pub(super) async fn sign_in(flags: &ShopFlags) -> Result<Shop> {
    let says_who = flags.user.is_some() || flags.password.is_some();
    let of_environment = || key_of_environment().filter(|_| !says_who);
    if let Some(key) = flags.key.clone().or_else(of_environment) {
        return Shop::with_key(&flags.url, &key).await;
    }
    let username = flags.user.clone().unwrap_or_else(|| ADMINISTRATOR.to_owned());
    let password = match &flags.password {
        Some(password) => password.clone(),
        None => read_password(&format!("Password of {username}: "))?,
    };
    Shop::sign_in(&flags.url, Credentials { username, password }).await
}
