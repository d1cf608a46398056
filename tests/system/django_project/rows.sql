-- What every test begins with.
-- No TRUNCATE: a table that is written anew counts as changed as a whole once
-- more when coverage is looked at.
DELETE FROM app_game; DELETE FROM app_draftround; DELETE FROM app_draft;
DELETE FROM app_team_members; DELETE FROM app_team; DELETE FROM app_league;
DELETE FROM app_tournament; DELETE FROM app_customuser;

INSERT INTO app_customuser (id, username, password, first_name, last_name, email,
        is_staff, is_active, is_superuser, date_joined, nickname, avatar, mmr)
    SELECT n, 'user' || n, '', '', '', '', false, true, false, '2024-01-01',
           'nick' || n, 'avatar' || n || '.png', 3000 + n
    FROM generate_series(1, 10) AS n;

-- Tournament 3 has nothing in it; 4 is a league.
INSERT INTO app_tournament
        (id, name, state, date_played, starts_on, is_public, prize, code, notes)
    VALUES
    (1, 'Spring Cup', 'in_progress', '2024-05-01 18:30:00.25+02', '2024-05-01',
     true, 100.50, '584d1348-0000-4000-8000-000000000001', 'n'),
    (2, 'O''Neill & Söhne = "Größe"', 'future', NULL, '2024-09-01', false, 25,
     '584d1348-0000-4000-8000-000000000002', 'n'),
    (3, 'Winter Cup', 'future', NULL, NULL, true, 0,
     '584d1348-0000-4000-8000-000000000003', 'n'),
    (4, 'The League', 'future', NULL, NULL, true, 0.05,
     '584d1348-0000-4000-8000-000000000004', 'n');
INSERT INTO app_league (tournament_ptr_id, season) VALUES (4, 7);

-- Teams 1 and 2 play tournament 1; 3 and 4 tournament 2; 5 plays none.
INSERT INTO app_team (id, name, tournament_id, captain_id, current_points)
    VALUES (1, 'Ancients', 1, 1, 10), (2, 'Roshans', 1, 2, 20),
           (3, 'Couriers', 2, 3, 30), (4, 'Wards', 2, 4, 40),
           (5, 'Free Agents', NULL, 5, 50);

-- User 6 is in teams 1 and 3; user 10 in none.
INSERT INTO app_team_members (id, team_id, customuser_id) VALUES
    (1, 1, 1), (2, 1, 6), (3, 2, 2), (4, 2, 7), (5, 3, 3), (6, 3, 6),
    (7, 4, 4), (8, 4, 8), (9, 5, 5), (10, 5, 9);

INSERT INTO app_draft (id, tournament_id, draft_style)
    VALUES (1, 1, 'snake'), (2, 2, 'shuffle');

INSERT INTO app_draftround (id, draft_id, captain_id, choice_id, pick_number)
    VALUES (1, 1, 1, 6, 1), (2, 1, 2, 7, 2), (3, 2, 3, NULL, 1),
           (4, 2, 4, NULL, 2);

INSERT INTO app_game
        (id, tournament_id, radiant_team_id, dire_team_id, winning_team_id, round)
    VALUES (1, 1, 1, 2, 1, 1), (2, 2, 3, 4, NULL, 1), (3, NULL, 5, NULL, NULL, 1);

-- Ids given by hand do not move the sequences.
SELECT setval(pg_get_serial_sequence(name, 'id'), 100)
    FROM unnest(ARRAY['app_customuser', 'app_tournament', 'app_team',
                      'app_team_members', 'app_draft', 'app_draftround',
                      'app_game']) AS name;
