//! Documents of users. A decision that rests on a user writes to its document, so two of them cannot miss each other.

use holdfast_storage::mongo::{Document, Fault, Mongo, Query, Tx, doc, fields};
use holdfast_types::{
    Basis, Cursor, Error, Page, PageRequest, Result, Timestamp, UserId, Version, fold,
};

use super::sessions;
use crate::{
    model::{NewUser, User, UserChange},
    store::{DELETED_PAGE, STAFF_NAMES, last_in_charge, username_taken},
};

pub(super) const USERS: &str = "users";
pub(super) const NAMES: &str = "usernames";

pub(super) async fn create(tx: &Tx, new: &NewUser) -> Result<(User, bool), Fault> {
    if let Some(user) = find(tx, new.id).await? {
        return Ok((user, true));
    }
    if tx.get(NAMES, new.username.folded()).await?.is_some() {
        return Err(username_taken().into());
    }
    let id = fields::uuid(new.id.uuid());
    let name = doc! {"_id": new.username.folded(), "user": id.clone()};
    tx.insert(NAMES, vec![name]).await?;
    let user = User::new(new);
    tx.insert(USERS, vec![document(&user)]).await?;
    Ok((user, false))
}

/// A user. A deleted one has no name, and counts as deleted at once when it comes from elsewhere.
pub(super) fn document(user: &User) -> Document {
    let mut document = doc! {
        "_id": fields::uuid(user.id.uuid()),
        "password_hash": &user.password_hash,
        "password_changed": user.password_changed,
        "role": user.role.as_str(),
        "email": user.email.clone(),
        "name": user.name.clone(),
        "disabled": user.disabled,
        "deleted": user.deleted,
        "version": user.version.0,
        "profile_version": user.profile_version.0,
        "access_version": user.access_version.0,
        "epoch": user.epoch,
        "logins": 0_i64,
        "fingerprint": fields::binary(&user.fingerprint.0),
        "created_at": user.created_at.as_millis(),
    };
    match user.deleted {
        true => document.insert("deleted_at", user.created_at.as_millis()),
        false => document.insert("username", &user.username),
    };
    document
}

/// Registers the first user. True also when an attempt before has done so and did not hear of it.
pub(super) async fn create_first(tx: &Tx, new: &NewUser) -> Result<bool, Fault> {
    one_at_a_time(tx).await?;
    let any = Query { limit: Some(1), projection: Some(doc! {"_id": 1}), ..Query::default() };
    match tx.find(USERS, &any).await?.pop() {
        Some(found) => Ok(fields::id(&found, "_id").is_ok_and(|id: UserId| id == new.id)),
        None => create(tx, new).await.map(|_| true),
    }
}

/// Makes decisions that rest on more than one user collide with each other.
pub(super) async fn one_at_a_time(tx: &Tx) -> Result<(), Fault> {
    let turn = (doc! {"_id": "users"}, doc! {"$inc": {"turn": 1_i64}});
    tx.update("holdfast_migrations", vec![turn]).await
}

pub(super) async fn get(db: &Mongo, id: UserId) -> Result<Option<User>> {
    let found = db.get(USERS, fields::uuid(id.uuid())).await?;
    found.map(|found| user(&found)).transpose()
}

pub(super) async fn find(tx: &Tx, id: UserId) -> Result<Option<User>, Fault> {
    let found = tx.get(USERS, fields::uuid(id.uuid())).await?;
    Ok(found.map(|found| user(&found)).transpose()?)
}

pub(super) async fn by_name(db: &Mongo, folded: &str) -> Result<Option<User>> {
    let Some(name) = db.get(NAMES, folded).await? else { return Ok(None) };
    get(db, fields::id(&name, "user")?).await
}

pub(super) async fn staff(db: &Mongo) -> Result<Vec<String>> {
    let query = Query {
        filter: doc! {"role": {"$in": ["seller", "admin"]}, "deleted": false},
        sort: Some(doc! {"role": 1, "_id": 1}),
        limit: Some(STAFF_NAMES),
        projection: Some(doc! {"username": 1}),
        ..Query::default()
    };
    let name = |found: &Document| Ok(fields::text(found, "username")?.to_owned());
    db.find(USERS, &query).await?.iter().map(name).collect()
}

pub(super) async fn list(db: &Mongo, request: &PageRequest) -> Result<Page<User>> {
    let first = (i64::MAX, UserId::from_bytes([0xff; 16]));
    let (at, id) = request.after.as_ref().map_or(Ok(first), |cursor| cursor.place("users"))?;
    let tie = doc! {"created_at": at, "_id": {"$lt": fields::uuid(id.uuid())}};
    let query = Query {
        // The first condition bounds the walk over the index; the second is exact.
        filter: doc! {"deleted": false, "created_at": {"$lte": at}, "$or": [{"created_at": {"$lt": at}}, tie]},
        sort: Some(doc! {"created_at": -1, "_id": -1}),
        limit: i64::try_from(request.limit + 1).ok(),
        ..Query::default()
    };
    let users = db.find(USERS, &query).await?.iter().map(user).collect::<Result<_>>()?;
    Ok(Page::cut(users, request.limit, |user| {
        Cursor::new("users", &(user.created_at.as_millis(), user.id))
    }))
}

async fn update(tx: &Tx, id: UserId, change: Document) -> Result<(), Fault> {
    tx.update(USERS, vec![(doc! {"_id": fields::uuid(id.uuid())}, change)]).await
}

pub(super) async fn change(
    tx: &Tx,
    id: UserId,
    (change, basis): (&UserChange, &Basis),
    now: Timestamp,
) -> Result<User, Fault> {
    one_at_a_time(tx).await?;
    let found = find(tx, id).await?.filter(|user| !user.deleted);
    let mut user = found.ok_or_else(|| Error::not_found("user"))?;
    let (epoch, was_in_charge) = (user.epoch, user.is_in_charge());
    user.change(change, basis)?;
    if was_in_charge && !user.is_in_charge() && !others_in_charge(tx, id).await? {
        return Err(last_in_charge().into());
    }
    let set = doc! {
        "role": user.role.as_str(),
        "email": user.email.clone(),
        "name": user.name.clone(),
        "disabled": user.disabled,
        "version": user.version.0,
        "profile_version": user.profile_version.0,
        "access_version": user.access_version.0,
        "epoch": user.epoch,
    };
    update(tx, id, doc! {"$set": set}).await?;
    if user.epoch > epoch {
        sessions::revoke_user(tx, id, user.epoch, now).await?;
    }
    if user.disabled {
        sessions::end_all(tx, id, None, now).await?;
    }
    Ok(user)
}

async fn others_in_charge(tx: &Tx, id: UserId) -> Result<bool, Fault> {
    let others = doc! {"role": "admin", "_id": {"$ne": fields::uuid(id.uuid())}, "disabled": false, "deleted": false};
    let query = Query { limit: Some(1), ..Query::of(others) };
    Ok(!tx.find(USERS, &query).await?.is_empty())
}

/// Notes a login, so that it collides with a change of the password.
pub(super) async fn note_login(tx: &Tx, id: UserId) -> Result<(), Fault> {
    update(tx, id, doc! {"$inc": {"logins": 1_i64}}).await
}

pub(super) async fn set_password(tx: &Tx, id: UserId, hash: &str) -> Result<(), Fault> {
    update(tx, id, doc! {"$set": {"password_hash": hash, "password_changed": true}}).await
}

pub(super) async fn erase(tx: &Tx, id: UserId, now: Timestamp) -> Result<(), Fault> {
    one_at_a_time(tx).await?;
    let Some(user) = find(tx, id).await? else { return Ok(()) };
    if user.is_in_charge() && !others_in_charge(tx, id).await? {
        return Err(last_in_charge().into());
    }
    if !user.deleted {
        tx.delete(NAMES, doc! {"_id": fold(&user.username)}).await?;
    }
    let set = doc! {"password_hash": "", "password_changed": true, "deleted": true, "deleted_at": now.as_millis()};
    let unset = doc! {"username": "", "email": "", "name": ""};
    update(tx, id, doc! {"$set": set, "$unset": unset, "$inc": {"version": 1_i64}}).await
}

pub(super) async fn deleted(db: &Mongo, since: Timestamp) -> Result<Vec<(Timestamp, UserId)>> {
    let query = Query {
        filter: doc! {"deleted_at": {"$gte": since.as_millis()}},
        sort: Some(doc! {"deleted_at": 1, "_id": 1}),
        limit: i64::try_from(DELETED_PAGE).ok(),
        projection: Some(doc! {"deleted_at": 1}),
        ..Query::default()
    };
    let read =
        |found: &Document| Ok((fields::time(found, "deleted_at")?, fields::id(found, "_id")?));
    db.find(USERS, &query).await?.iter().map(read).collect()
}

pub(super) fn user(found: &Document) -> Result<User> {
    let role = fields::text(found, "role")?;
    Ok(User {
        id: fields::id(found, "_id")?,
        username: fields::optional_text(found, "username")?.unwrap_or_default(),
        password_hash: fields::text(found, "password_hash")?.to_owned(),
        password_changed: fields::flag(found, "password_changed")?,
        role: role.parse().map_err(|_| Error::internal(format!("{role} is not a role")))?,
        email: fields::optional_text(found, "email")?,
        name: fields::optional_text(found, "name")?,
        disabled: fields::flag(found, "disabled")?,
        deleted: fields::flag(found, "deleted")?,
        version: Version(fields::number(found, "version")?),
        profile_version: Version(fields::number(found, "profile_version")?),
        access_version: Version(fields::number(found, "access_version")?),
        epoch: fields::number(found, "epoch")?,
        fingerprint: fields::fingerprint(found, "fingerprint")?,
        created_at: fields::time(found, "created_at")?,
    })
}
