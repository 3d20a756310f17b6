//! A network that swallows everything: nftables drops what goes to the database and what comes from it.

use std::{process::Command, time::Duration};

use tokio::time::sleep;

use super::{
    databases,
    disk::run,
    nemesis::{Rig, find},
};
use crate::Result;

/// The rules; gone when dropped.
struct Rules(String);

impl Rules {
    fn put(ports: &[u16]) -> Result<Self> {
        let rules = Self(format!("holdfast_drill_{}", std::process::id()));
        run("nft", &["add", "table", "inet", &rules.0])?;
        run(
            "nft",
            &[
                "add",
                "chain",
                "inet",
                &rules.0,
                "fault",
                "{ type filter hook output priority 0 ; }",
            ],
        )?;
        for port in ports {
            for side in ["dport", "sport"] {
                let port = port.to_string();
                run(
                    "nft",
                    &[
                        "add", "rule", "inet", &rules.0, "fault", "tcp", side, &port, "counter",
                        "drop",
                    ],
                )?;
            }
        }
        Ok(rules)
    }

    /// Packets that were dropped.
    fn dropped(&self) -> Result<u64> {
        let listed = run("nft", &["list", "table", "inet", &self.0])?;
        let words: Vec<&str> = listed.split_whitespace().collect();
        let counts = words.windows(2).filter(|pair| pair[0] == "packets");
        Ok(counts.filter_map(|pair| pair[1].parse::<u64>().ok()).sum())
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        if let Some(nft) = find("nft") {
            let _ = Command::new(nft).args(["delete", "table", "inet", &self.0]).output();
        }
    }
}

pub(super) async fn drop_packets(rig: &mut Rig, hold: Duration) -> Result<String> {
    let rules = Rules::put(&databases::ports(rig)?)?;
    sleep(hold).await;
    let dropped = rules.dropped()?;
    drop(rules);
    rig.shop.ready().await?;
    match dropped {
        0 => Err("no packet was dropped".to_owned()),
        count => Ok(format!("{count} packets were dropped in {hold:?}")),
    }
}
