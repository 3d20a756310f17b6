//! A running shop, of which a command is a client.

use holdfast_client::{Credentials, Shop};
use holdfast_types::Result;

use super::read_password;
use crate::{cli::ShopFlags, config::Config};

/// Who signs in when nobody is named.
const ADMINISTRATOR: &str = "admin";

/// Signs in, or shows an API key. That of the settings is meant for who says nothing else.
pub(super) async fn sign_in(config: &Config, flags: &ShopFlags) -> Result<Shop> {
    let says_who = flags.user.is_some() || flags.password.is_some();
    let of_settings = || config.api_key.clone().filter(|_| !says_who);
    if let Some(key) = flags.key.clone().or_else(of_settings) {
        return Shop::with_key(&flags.url, &key).await;
    }
    let username = flags.user.clone().unwrap_or_else(|| ADMINISTRATOR.to_owned());
    let password = match &flags.password {
        Some(password) => password.clone(),
        None => read_password(&format!("Password of {username}: "))?,
    };
    Shop::sign_in(&flags.url, Credentials { username, password }).await
}
