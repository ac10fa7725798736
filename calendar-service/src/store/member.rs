//! `members`: who is in.

use std::sync::Arc;

use chassis::{fault::Fault, postgres::ensure_rows};
use jiff::Timestamp;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::{Store, Tx, column::role};
use crate::model::{MemberView, Membership, Role, fold};

/// A member, as writers need them.
#[derive(Clone, Debug)]
pub struct MemberRow {
    /// The account.
    pub account_id: Uuid,
    /// The username.
    pub username: Arc<str>,
    /// The role.
    pub role: Role,
    /// Since when.
    pub joined_at: Timestamp,
}

impl Store {
    /// The members of a calendar, longest in first. No question of membership.
    pub async fn members(&self, calendar_id: Uuid) -> Result<Vec<MemberView>, Fault> {
        let rows = sqlx::query!(
            r#"
            select account_id, username, role, joined_at as "joined_at: jiff_sqlx::Timestamp"
            from members where calendar_id = $1
            order by joined_seq
            "#,
            calendar_id,
        )
        .fetch_all(self.pool())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(MemberView {
                    account_id: row.account_id,
                    username: row.username.into(),
                    role: role(&row.role)?,
                    joined_at: row.joined_at.to_jiff(),
                })
            })
            .collect()
    }

    /// The members of a calendar for one of them, longest in first. Nobody for strangers.
    pub async fn members_for(&self, calendar_id: Uuid, account_id: Uuid) -> Result<Vec<MemberView>, Fault> {
        let rows = sqlx::query!(
            r#"
            select o.account_id, o.username, o.role, o.joined_at as "joined_at: jiff_sqlx::Timestamp"
            from members o join calendars c using (calendar_id)
            where o.calendar_id = $1 and c.deleted_at is null
                and exists (select from members m where m.calendar_id = $1 and m.account_id = $2)
            order by o.joined_seq
            "#,
            calendar_id,
            account_id,
        )
        .fetch_all(self.pool())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(MemberView {
                    account_id: row.account_id,
                    username: row.username.into(),
                    role: role(&row.role)?,
                    joined_at: row.joined_at.to_jiff(),
                })
            })
            .collect()
    }

    /// The account of this name (without case) that shares a calendar with
    /// another; the newest member, should a removed account's name have been
    /// taken again.
    pub async fn peer_named(&self, account_id: Uuid, username: &str) -> Result<Option<Uuid>, Fault> {
        let peer = sqlx::query_scalar!(
            r#"
            select other.account_id
            from members mine
            join members other using (calendar_id)
            join calendars c using (calendar_id)
            where mine.account_id = $1 and other.username_key = $2 and c.deleted_at is null
            order by other.joined_at desc
            limit 1
            "#,
            account_id,
            fold(username),
        );
        Ok(peer.fetch_optional(self.pool()).await?)
    }

    /// The calendars an account is in.
    pub async fn memberships(&self, account_id: Uuid) -> Result<Vec<Membership>, Fault> {
        let rows = sqlx::query!(
            r#"
            select c.calendar_id, c.calendar_name, c.last_seq, m.role
            from members m join calendars c using (calendar_id)
            where m.account_id = $1 and c.deleted_at is null
            "#,
            account_id,
        )
        .fetch_all(self.pool())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Membership {
                    calendar_id: row.calendar_id,
                    calendar_name: row.calendar_name.into(),
                    role: role(&row.role)?,
                    last_seq: row.last_seq,
                })
            })
            .collect()
    }

    /// An account's place in a calendar. None to strangers, foreign and absent alike.
    pub async fn membership(&self, calendar_id: Uuid, account_id: Uuid) -> Result<Option<Membership>, Fault> {
        let row = sqlx::query!(
            r#"
            select c.calendar_name, c.last_seq, m.role
            from members m join calendars c using (calendar_id)
            where m.calendar_id = $1 and m.account_id = $2 and c.deleted_at is null
            "#,
            calendar_id,
            account_id,
        )
        .fetch_optional(self.pool())
        .await?;
        row.map(|row| {
            Ok(Membership {
                calendar_id,
                calendar_name: row.calendar_name.into(),
                role: role(&row.role)?,
                last_seq: row.last_seq,
            })
        })
        .transpose()
    }

    /// The members with these names (without case): account and name as spelt.
    pub async fn members_named(
        &self,
        calendar_id: Uuid,
        names: &[String],
    ) -> Result<Vec<(Uuid, String)>, Fault> {
        named(self.pool(), calendar_id, names).await
    }
}

async fn named(
    executor: impl PgExecutor<'_>,
    calendar_id: Uuid,
    names: &[String],
) -> Result<Vec<(Uuid, String)>, Fault> {
    let keys: Vec<_> = names.iter().map(|name| fold(name)).collect();
    let rows = sqlx::query!(
        r#"
        select account_id, username from members
        where calendar_id = $1 and username_key = any ($2)
        order by joined_seq
        "#,
        calendar_id,
        &keys,
    );
    let rows = rows.fetch_all(executor).await?;
    Ok(rows.into_iter().map(|row| (row.account_id, row.username)).collect())
}

impl Tx {
    /// Lets an account in; `joined_seq` is the seq of the change that says so.
    /// Answers since when; none when it is in already.
    pub async fn insert_member(
        &mut self,
        calendar_id: Uuid,
        account_id: Uuid,
        username: &str,
        role: Role,
        joined_seq: i64,
    ) -> Result<Option<Timestamp>, Fault> {
        let joined = sqlx::query_scalar!(
            r#"
            insert into members (calendar_id, account_id, username, username_key, role, joined_seq)
            values ($1, $2, $3, $4, $5, $6)
            on conflict on constraint member_key do nothing
            returning joined_at as "joined_at: jiff_sqlx::Timestamp"
            "#,
            calendar_id,
            account_id,
            username,
            fold(username),
            role.as_str(),
            joined_seq,
        )
        .fetch_optional(&mut *self.inner)
        .await?;
        Ok(joined.map(jiff_sqlx::Timestamp::to_jiff))
    }

    /// The member with this name (without case) of a calendar that is locked;
    /// the newest one, should a removed account's name have been taken again.
    pub async fn member_named(
        &mut self,
        calendar_id: Uuid,
        username: &str,
    ) -> Result<Option<MemberRow>, Fault> {
        let row = sqlx::query!(
            r#"
            select account_id, username, role, joined_at as "joined_at: jiff_sqlx::Timestamp"
            from members where calendar_id = $1 and username_key = $2
            order by joined_seq desc limit 1
            "#,
            calendar_id,
            fold(username),
        )
        .fetch_optional(&mut *self.inner)
        .await?;
        row.map(|row| {
            Ok(MemberRow {
                account_id: row.account_id,
                username: row.username.into(),
                role: role(&row.role)?,
                joined_at: row.joined_at.to_jiff(),
            })
        })
        .transpose()
    }

    /// The others of a calendar that is locked: whether one of them is an owner,
    /// and who is longest in.
    pub async fn others(
        &mut self,
        calendar_id: Uuid,
        account_id: Uuid,
    ) -> Result<Option<(MemberRow, bool)>, Fault> {
        let row = sqlx::query!(
            r#"
            select account_id, username, role, joined_at as "joined_at: jiff_sqlx::Timestamp",
                bool_or(role = 'owner') over () as "owned!"
            from members where calendar_id = $1 and account_id <> $2
            order by joined_seq limit 1
            "#,
            calendar_id,
            account_id,
        )
        .fetch_optional(&mut *self.inner)
        .await?;
        row.map(|row| {
            let heir = MemberRow {
                account_id: row.account_id,
                username: row.username.into(),
                role: role(&row.role)?,
                joined_at: row.joined_at.to_jiff(),
            };
            Ok((heir, row.owned))
        })
        .transpose()
    }

    /// The members with these names (without case): account and name as spelt.
    pub async fn members_named(
        &mut self,
        calendar_id: Uuid,
        names: &[String],
    ) -> Result<Vec<(Uuid, String)>, Fault> {
        named(&mut *self.inner, calendar_id, names).await
    }

    /// The members among these accounts: account and name.
    pub async fn members_among(
        &mut self,
        calendar_id: Uuid,
        accounts: &[Uuid],
    ) -> Result<Vec<(Uuid, String)>, Fault> {
        let rows = sqlx::query!(
            r#"
            select account_id, username from members
            where calendar_id = $1 and account_id = any ($2)
            order by array_position($2, account_id)
            "#,
            calendar_id,
            accounts,
        );
        let rows = rows.fetch_all(&mut *self.inner).await?;
        Ok(rows.into_iter().map(|row| (row.account_id, row.username)).collect())
    }

    /// The username under which an account is a member.
    pub async fn username(&mut self, calendar_id: Uuid, account_id: Uuid) -> Result<Option<String>, Fault> {
        let username = sqlx::query_scalar!(
            "select username from members where calendar_id = $1 and account_id = $2",
            calendar_id,
            account_id,
        );
        Ok(username.fetch_optional(&mut *self.inner).await?)
    }

    /// Gives a member another role.
    pub async fn update_role(
        &mut self,
        calendar_id: Uuid,
        account_id: Uuid,
        role: Role,
    ) -> Result<(), Fault> {
        let done = sqlx::query!(
            "update members set role = $3 where calendar_id = $1 and account_id = $2",
            calendar_id,
            account_id,
            role.as_str(),
        );
        ensure_rows(&done.execute(&mut *self.inner).await?, 1)
    }

    /// Ends a membership.
    pub async fn delete_member(&mut self, calendar_id: Uuid, account_id: Uuid) -> Result<(), Fault> {
        let done = sqlx::query!(
            "delete from members where calendar_id = $1 and account_id = $2",
            calendar_id,
            account_id,
        );
        ensure_rows(&done.execute(&mut *self.inner).await?, 1)
    }
}
