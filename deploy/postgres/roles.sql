-- Roles and schemas, once, by an administrator, in the database of Tocsin:
--
--     psql --dbname tocsin --file deploy/postgres/roles.sql
--
-- Then give each a password: \password router_owner, and so on. Four roles own the tables; only the migration Jobs log in as them, and
-- the ledger, which makes a table for each day and drops old ones. Three roles read and write rows, and may change no table.
BEGIN;

-- An administrator who is no superuser may act for the roles that it makes. Before PostgreSQL 16 there is no such setting: see below.
DO $$ BEGIN
  IF current_setting('server_version_num')::int >= 160000 THEN
    PERFORM set_config('createrole_self_grant', 'set, inherit', true);
  END IF;
END $$;

CREATE ROLE router_owner LOGIN;
CREATE ROLE scheduler_owner LOGIN;
CREATE ROLE ledger_owner LOGIN;
CREATE ROLE inbox_owner LOGIN;
CREATE ROLE router LOGIN;
CREATE ROLE scheduler LOGIN;
CREATE ROLE inbox LOGIN;

-- PostgreSQL 14 and 15: whoever may make roles may also become a member of them.
DO $$ BEGIN
  IF current_setting('server_version_num')::int < 160000 THEN
    GRANT router_owner, scheduler_owner, ledger_owner, inbox_owner TO CURRENT_USER;
  END IF;
END $$;

CREATE SCHEMA directory AUTHORIZATION router_owner;
CREATE SCHEMA scheduler AUTHORIZATION scheduler_owner;
CREATE SCHEMA ledger AUTHORIZATION ledger_owner;
CREATE SCHEMA inbox AUTHORIZATION inbox_owner;

-- Migrations begin with CREATE SCHEMA IF NOT EXISTS, which asks for this right even where the schema is there.
DO $$ BEGIN
  EXECUTE format('GRANT CREATE ON DATABASE %I TO router_owner, scheduler_owner, ledger_owner, inbox_owner', current_database());
END $$;

GRANT USAGE ON SCHEMA directory TO router;
GRANT USAGE ON SCHEMA scheduler TO scheduler;
GRANT USAGE ON SCHEMA inbox TO inbox;

-- Rows of every table that a migration will ever make.
ALTER DEFAULT PRIVILEGES FOR ROLE router_owner IN SCHEMA directory GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO router;
ALTER DEFAULT PRIVILEGES FOR ROLE router_owner IN SCHEMA directory GRANT USAGE, SELECT ON SEQUENCES TO router;
ALTER DEFAULT PRIVILEGES FOR ROLE scheduler_owner IN SCHEMA scheduler GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO scheduler;
ALTER DEFAULT PRIVILEGES FOR ROLE scheduler_owner IN SCHEMA scheduler GRANT USAGE, SELECT ON SEQUENCES TO scheduler;
ALTER DEFAULT PRIVILEGES FOR ROLE inbox_owner IN SCHEMA inbox GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO inbox;
ALTER DEFAULT PRIVILEGES FOR ROLE inbox_owner IN SCHEMA inbox GRANT USAGE, SELECT ON SEQUENCES TO inbox;

COMMIT;
