//! What a shop under torture stands on: a folder or a disk, a database server, a clock.

use std::path::Path;

use bytes::Bytes;
use holdfast_testkit::{Engine, Home, MongoServer};
use hyper::Method;
use serde_json::json;

use super::{
    clock::Clock,
    disk::Disk,
    nemesis::{Nemesis, Rig, Topology},
};
use holdfast_client::Connection;

use crate::{
    Result,
    accounts::sign_in,
    private::{PASSWORD, Plan, PrivateShop},
};

/// Members of a replica set whose primary is killed.
const MEMBERS: usize = 3;

pub(super) async fn build(
    program: &Path,
    nemesis: Nemesis,
    (engine, topology): (Engine, Topology),
) -> Result<Rig> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let home = home(nemesis, engine)?;
    let disk = match nemesis {
        Nemesis::Powercut => Some(Disk::of_ext4(folder.path())?),
        Nemesis::Enospc => Some(Disk::of_tmpfs(folder.path())?),
        _ => None,
    };
    let mut plan = Plan {
        program: program.to_owned(),
        folder: folder.path().to_owned(),
        data: disk.as_ref().map_or(folder.path(), Disk::folder).join("data"),
        arguments: Vec::new(),
        settings: Vec::new(),
    };
    if topology == Topology::Cluster {
        plan.arguments.push("cluster".to_owned());
    }
    plan.settings.extend(home.iter().map(|home| ("DB_CONNECTION_STRING".to_owned(), home.url())));
    let clock = match nemesis {
        Nemesis::Clock => {
            let (clock, settings) = Clock::new(folder.path())?;
            plan.settings.extend(settings);
            Some(clock)
        }
        _ => None,
    };
    let shop = PrivateShop::start(plan)?;
    shop.ready().await?;
    Ok(Rig { shop, home, disk, clock, _folder: folder })
}

fn home(nemesis: Nemesis, engine: Engine) -> Result<Option<Home>> {
    let home = match engine {
        Engine::Sqlite => return Ok(None),
        Engine::Mongo if nemesis == Nemesis::PrimaryKill => {
            MongoServer::start_members(MEMBERS).map(Home::Mongo)
        }
        engine => Home::of(engine),
    };
    home.map(Some).ok_or_else(|| format!("{} is not installed: ./check installs it", engine.name()))
}

/// Adds products to an empty shop; returns their ids.
pub async fn stock_up(url: &str, count: usize, units: usize) -> Result<Vec<String>> {
    let mut connection = Connection::new(url);
    let merchant = sign_in(&mut connection, "admin", PASSWORD).await?;
    let authorization = format!("Bearer {}", merchant.token);
    let headers = [("authorization", authorization.as_str())];
    let mut products = Vec::with_capacity(count);
    for number in 0..count {
        let price = json!({"amount": 1999, "currency": "USD"});
        let body = json!({"name": format!("Product {number}"), "price": price, "quantity": units});
        let body = Bytes::from(body.to_string());
        let made = connection.send(Method::POST, "/api/products", &headers, body).await?;
        products.push(made.expect(201)?["id"].as_str().unwrap_or_default().to_owned());
    }
    Ok(products)
}
