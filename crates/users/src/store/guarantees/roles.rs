//! Guarantees about roles.

use holdfast_types::{Authority, Permission, Permissions};

use super::*;
use crate::model::{CustomRole, RoleChange};

fn packers(bench: &Bench, name: &str) -> CustomRole {
    CustomRole {
        name: name.parse().unwrap(),
        description: None,
        authority: Authority {
            permissions: Permissions::of(&[Permission::OrdersWrite]),
            own_products_only: false,
        },
        version: Version::FIRST,
        created_at: bench.now(),
    }
}

impl Bench {
    /// Gives a user a role, as somebody who may do everything.
    async fn give(&self, user: UserId, role: Role) -> Result<holdfast_types::IdempotentAnswer> {
        let basis = Basis { if_match: None, version: Some(Version(1)) };
        let change = UserChange::Access { role: Some(role.clone()), disabled: None };
        let judge = move |user: &mut User, roles: &Roles| {
            user.may_be_changed_by(&EVERYTHING, Some(&role), roles)?;
            user.change(&change, &basis)
        };
        self.store.change_access(user, &self.operation(), self.now(), render, judge).await
    }
}

fn shown(role: &CustomRole) -> Result<Answer> {
    Answer::ok(role.etag(), &role.name)
}

const EVERYTHING: Authority = Authority { permissions: Permissions::ALL, own_products_only: false };

#[tokio::test(flavor = "multi_thread")]
async fn create_role_makes_one_of_a_name_and_role_and_roles_find_it() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let calls: Vec<_> = (0..4)
            .map(|_| {
                let (bench, role) = (Arc::clone(&bench), packers(&bench, "packer"));
                tokio::spawn(async move {
                    bench.store.create_role(role, &bench.operation(), shown).await
                })
            })
            .collect();
        let mut made = 0;
        for call in calls {
            match call.await.unwrap() {
                Ok(_) => made += 1,
                Err(error) => assert_eq!(error.code(), Code::RoleTaken),
            }
        }
        assert_eq!(made, 1);
        let name = "packer".parse().unwrap();
        assert_eq!(bench.store.role(&name).await.unwrap(), Some(packers(&bench, "packer")));
        assert_eq!(bench.store.roles().await.unwrap().standing(&name).version, 1);
        for number in 1..super::super::roles::ROLES {
            let role = packers(&bench, &format!("packer{number}"));
            bench.store.create_role(role, &bench.operation(), shown).await.unwrap();
        }
        let one_more = packers(&bench, "one-more");
        let refused = bench.store.create_role(one_more, &bench.operation(), shown).await;
        assert_eq!(refused.unwrap_err().code(), Code::LimitReached);
    })
    .await;
}

#[tokio::test]
async fn change_role_refuses_tokens_of_what_it_was() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let role = packers(&bench, "packer");
        let name = role.name.clone();
        bench.store.create_role(role, &bench.operation(), shown).await.unwrap();
        let change = |version: i64, change: RoleChange| {
            let basis = Basis { if_match: None, version: Some(Version(version)) };
            let (store, now, operation) = (bench.store.clone(), bench.now(), bench.operation());
            let (name, judge) = (name.clone(), move |role: &mut CustomRole| {
                role.change(&change, &basis, &EVERYTHING)
            });
            async move { store.change_role(&name, &operation, now, shown, judge).await }
        };
        let since = bench.now().minus(Duration::from_secs(60));
        let described = Some(Some("Packs".to_owned()));
        let words =
            RoleChange { description: described, permissions: None, own_products_only: None };
        change(1, words).await.unwrap();
        assert!(bench.store.revocations(since).await.unwrap().roles.is_empty());
        let narrower = |permissions: &[Permission]| RoleChange {
            description: None,
            permissions: Some(Permissions::of(permissions)),
            own_products_only: None,
        };
        change(2, narrower(&[Permission::OrdersRead])).await.unwrap();
        change(3, narrower(&[])).await.unwrap();
        assert_eq!(bench.store.revocations(since).await.unwrap().roles.get(&name), Some(&4));
        let stale = change(3, narrower(&[Permission::OrdersRead])).await;
        assert_eq!(stale.unwrap_err().code(), Code::VersionConflict);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_role_and_change_access_never_leave_a_user_without_one() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        for round in 0..8 {
            let role = packers(&bench, &format!("packer{round}"));
            let name = role.name.clone();
            bench.store.create_role(role, &bench.operation(), shown).await.unwrap();
            let user = bench.new_user(&format!("ada{round}"));
            let user = bench.store.create(&user).await.unwrap().0.id;
            let (giver, given) = (Arc::clone(&bench), name.clone());
            let give = tokio::spawn(async move { giver.give(user, given).await });
            let deleted =
                bench.store.delete_role(&name, &bench.operation(), bench.now(), |_| Ok(())).await;
            let (given, deleted) = (give.await.unwrap(), deleted);
            match (given, deleted) {
                (Ok(_), Err(error)) => assert_eq!(error.code(), Code::RoleInUse),
                (Err(error), Ok(_)) => assert_eq!(error.code(), Code::Validation),
                both => panic!("{both:?}"),
            }
            let standing = bench.store.get(user).await.unwrap().unwrap().role;
            assert!(bench.store.roles().await.unwrap().require(&standing).is_ok());
        }
    })
    .await;
}

#[tokio::test]
async fn audit_finds_users_without_a_role_and_keys_without_a_user() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let role = packers(&bench, "packer");
        let pat = NewUser { role: role.name.clone(), ..bench.new_user("pat") };
        let pat = bench.store.create(&pat).await.unwrap().0.id;
        assert_eq!(bench.store.audit().await.unwrap().len(), 1, "the role is not there");
        let refused = bench.store.create_role(role, &bench.operation(), shown).await.unwrap_err();
        assert_eq!(refused.code(), Code::RoleInUse, "nobody is given by it what nobody gave them");
        bench.store.delete(pat, &bench.operation(), bench.now()).await.unwrap();
        assert_eq!(bench.store.audit().await.unwrap(), [""; 0]);
    })
    .await;
}
