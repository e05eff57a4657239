using Npgsql;

namespace Matrix.ToDevice.Tests;

/// <summary>Sends whose senders are on one machine are accepted together, in one commit, and each for itself.</summary>
public class DistributedAcceptTests : ManyMachinesTests
{
    private static readonly List<string> s_users = DistributedUsers.Of(_ => true, 40);

    private protected override int Machines => 1;

    [SetUp]
    public async Task SetUpAsync()
    {
        await NewHost().SendAsync(s_users[0], "first", "first", [s_users[0]]);
        // A record that takes its time, as long as the test holds it; and which commits have come.
        View.Execute("""
            CREATE TABLE public.held (user_id text);
            CREATE TABLE public.commits (id bigint);
            CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN
                WHILE EXISTS (SELECT FROM public.held h WHERE h.user_id = NEW.user_id) LOOP PERFORM pg_sleep(0.01); END LOOP;
                INSERT INTO public.commits VALUES (txid_current());
                RETURN NEW;
            END';
            CREATE TRIGGER note BEFORE INSERT ON to_device.to_device_transaction FOR EACH ROW EXECUTE FUNCTION public.note();
            CREATE FUNCTION public.dislike() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN IF NEW.event_type = ''m.odd'' THEN RAISE ''odd'' USING ERRCODE = ''22000''; END IF; RETURN NEW; END';
            CREATE TRIGGER dislike BEFORE INSERT ON to_device.to_device_message FOR EACH ROW EXECUTE FUNCTION public.dislike();
            """);
    }

    [Test]
    public async Task D4_sends_that_come_while_one_is_accepted_are_accepted_together()
    {
        var first = Hold();
        Task<CommitResult>[] sends = [.. s_users.Select(user => One.SendAsync(user, "t", user, [user, s_users[1]]))];
        GoOn();

        Assert.That(await Task.WhenAll(sends.Append(first)), Is.All.EqualTo(CommitResult.Committed));
        Assert.That(View.Count("SELECT count(DISTINCT id) FROM public.commits"), Is.LessThan(20));
        Assert.That(await One.ReadOfAsync(s_users[1]), Is.EquivalentTo(s_users));
        Assert.That(await One.ReadOfAsync(s_users[2]), Is.EqualTo(new[] { s_users[2] }));
    }

    [Test]
    public async Task D2_D6_each_of_those_that_come_together_is_answered_for_itself()
    {
        var (lookedUp, removed) = (One.Transactions.KnownRemovals, new DeviceAddress(s_users[3], "other"));
        await NewHost().Inbox.RemoveDeviceAsync(removed, default);
        await One.SendAsync(s_users[2], "before", "before", [s_users[2]]);

        var first = Hold();
        Task<CommitResult>[] sends =
        [
            One.SendAsync(s_users[1], "new", "new", [s_users[1]]),
            One.SendAsync(s_users[2], "before", "before", [s_users[2]]),
            SendToAsync(s_users[3], removed),
            One.SendAsync(s_users[4], "twice", "twice", [s_users[4]]),
            One.SendAsync(s_users[4], "twice", "twice", [s_users[4]]),
            One.SendAsync(s_users[4], "behind", "behind", [s_users[4]]),
        ];
        GoOn();

        await Task.WhenAll(sends.Append(first));
        var results = Array.ConvertAll(sends, send => send.Result);
        Assert.That(results[..3], Is.EqualTo(new[] { CommitResult.Committed, CommitResult.AlreadyCommitted, CommitResult.DeviceRemoved }));
        Assert.That(results[3..5], Is.EquivalentTo(new[] { CommitResult.Committed, CommitResult.AlreadyCommitted }));
        Assert.That(results[5], Is.EqualTo(CommitResult.Committed));
        Assert.That(await One.ReadOfAsync(s_users[1]), Is.EqualTo(new[] { "new" }));
        Assert.That(await One.ReadOfAsync(s_users[2]), Is.EqualTo(new[] { "before" }));
        Assert.That(await One.ReadOfAsync(s_users[4]), Is.EquivalentTo(new[] { "twice", "behind" }));
        Assert.That(View.Count("SELECT count(*) FROM to_device.to_device_message WHERE device_id = 'other'"), Is.Zero);

        async Task<CommitResult> SendToAsync(string sender, DeviceAddress recipient)
        {
            await using var transaction = (await One.Transactions.BeginAsync(DistributedUsers.Key(sender, "removed"), lookedUp, default))!;
            await One.Inbox.AppendAsync(transaction, [new ToDeviceMessage(recipient, sender, "m.test", "{}"u8.ToArray(), 1)], default);
            return await transaction.CommitAsync(default);
        }
    }

    [Test]
    public async Task D4_a_send_that_the_database_refuses_is_refused_alone()
    {
        var first = Hold();
        var odd = One.SendAsync("odd", "odd", ["B1"], eventType: "m.odd");
        var toOneself = OddToOneselfAsync(s_users[5]);
        Task<CommitResult>[] sends = [.. s_users.Select(user => One.SendAsync(user, "t", user, [user]))];
        GoOn();

        Assert.That(await Task.WhenAll(sends.Append(first).Append(odd)), Is.All.EqualTo(CommitResult.Committed));
        Assert.That(async () => await toOneself, Throws.TypeOf<PostgreSqlStoreException>());
        foreach (var user in s_users.Skip(1)) Assert.That(await One.ReadOfAsync(user), Is.EqualTo(new[] { user }));

        async Task OddToOneselfAsync(string user)
        {
            await using var transaction = (await One.Transactions.BeginAsync(DistributedUsers.Key(user, "odd"), One.Transactions.KnownRemovals, default))!;
            await One.Inbox.AppendAsync(transaction, [new ToDeviceMessage(DistributedUsers.Device(user), user, "m.odd", "{}"u8.ToArray(), 1)], default);
            await transaction.CommitAsync(default);
        }
    }

    [Test]
    public async Task D6_D13_a_sender_whose_device_somebody_has_for_long_holds_up_itself_and_nobody_else()
    {
        Task<CommitResult>[] sends;
        await using (var connection = View.Open())
        {
            // As a removal with a very long inbox has it.
            await using var transaction = await connection.BeginTransactionAsync();
            await using var command = new NpgsqlCommand($"SELECT FROM to_device.to_device_device WHERE user_id = '{s_users[0]}' FOR UPDATE", connection);
            await command.ExecuteNonQueryAsync();
            sends = [.. Enumerable.Range(0, 3).Select(n => One.SendAsync(s_users[0], $"t{n}", $"{n}", [s_users[0]]))];
            for (var n = 0; n < 10; n++)
                Assert.That(await One.SendAsync(s_users[1], $"t{n}", $"{n}", [s_users[1], s_users[2]]), Is.EqualTo(CommitResult.Committed));
            Assert.That(sends.Where(send => send.IsCompleted), Is.Empty);
        }

        Assert.That(await Task.WhenAll(sends), Is.All.EqualTo(CommitResult.Committed));
        Assert.That(await One.ReadOfAsync(s_users[0]), Is.EquivalentTo(new[] { "first", "0", "1", "2" }));
    }

    [Test]
    public async Task D5_D13_one_key_many_times_costs_those_that_come_with_it_two_calls_at_most()
    {
        var (lookedUp, removed) = (One.Transactions.KnownRemovals, new DeviceAddress(s_users[4], "other"));
        await NewHost().Inbox.RemoveDeviceAsync(removed, default);
        await One.SendAsync(s_users[5], "before", "before", [s_users[5]]);
        View.Execute("""
            CREATE TABLE public.locks (id bigint, user_id text);
            CREATE FUNCTION public.locked() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO public.locks VALUES (txid_current(), NEW.user_id); RETURN NEW; END';
            CREATE TRIGGER locked BEFORE UPDATE ON to_device.to_device_device FOR EACH ROW EXECUTE FUNCTION public.locked();
            """);
        var first = Hold();
        Task<CommitResult>[] same = [.. Enumerable.Range(0, 20).Select(_ => One.SendAsync(s_users[6], "same", "same", [s_users[6]]))];
        Task<CommitResult>[] refused = [.. Enumerable.Range(0, 20).Select(_ => SendToRemovedAsync())];
        var other = One.SendAsync(s_users[5], "other", "other", [s_users[5]]);
        GoOn();

        Assert.That(await Task.WhenAll(first, other), Is.All.EqualTo(CommitResult.Committed));
        Assert.That(await Task.WhenAll(refused), Is.All.EqualTo(CommitResult.DeviceRemoved));
        Assert.That((await Task.WhenAll(same)).Count(result => result == CommitResult.Committed), Is.EqualTo(1));
        Assert.That(await One.ReadOfAsync(s_users[6]), Is.EqualTo(new[] { "same" }));
        Assert.That(View.Count($"SELECT count(DISTINCT id) FROM public.locks WHERE user_id = '{s_users[5]}'"), Is.LessThanOrEqualTo(2));

        async Task<CommitResult> SendToRemovedAsync()
        {
            await using var transaction = (await One.Transactions.BeginAsync(DistributedUsers.Key(s_users[4], "removed"), lookedUp, default))!;
            await One.Inbox.AppendAsync(transaction, [new ToDeviceMessage(removed, s_users[4], "m.test", "{}"u8.ToArray(), 1)], default);
            return await transaction.CommitAsync(default);
        }
    }

    [Test]
    public async Task D13_devices_that_somebody_has_in_many_buckets_leave_others_their_places_also_in_the_same_bucket()
    {
        var bucket = DistributedUsers.BucketOf(s_users[1]);
        var neighbour = Enumerable.Range(0, 10_000).Select(n => $"@neighbour{n}:hs1").First(user => DistributedUsers.BucketOf(user) == bucket);
        foreach (var user in s_users[1..8].Append(neighbour)) await One.SendAsync(user, "before", "before", [user]);
        Task<CommitResult>[] own;
        await using (var connection = View.Open())
        {
            await using var transaction = await connection.BeginTransactionAsync();
            await using var command = new NpgsqlCommand(
                $"SELECT FROM to_device.to_device_device WHERE user_id IN ({string.Join(", ", s_users[1..8].Select(user => $"'{user}'"))}) FOR UPDATE", connection);
            await command.ExecuteNonQueryAsync();
            var first = Hold();
            own = [.. s_users[1..8].SelectMany(user => Enumerable.Range(0, 3).Select(n => One.SendAsync(user, $"t{n}", $"{n}", [user])))];
            var others = new[] { neighbour, s_users[9] }.Select(user => One.SendAsync(user, "other", "other", [user, s_users[10]])).ToArray();
            GoOn();
            Assert.That(await Task.WhenAll(others.Append(first)), Is.All.EqualTo(CommitResult.Committed));
            for (var n = 0; n < 5; n++) Assert.That(await One.SendAsync(neighbour, $"u{n}", $"{n}", [neighbour, s_users[10]]), Is.EqualTo(CommitResult.Committed));
            Assert.That(own.Where(send => send.IsCompletedSuccessfully), Is.Empty);
        }

        // Some of them may have been refused meanwhile, and come again.
        await Task.WhenAll(own.Select(send => send.ContinueWith(_ => { }, TaskScheduler.Default)));
        foreach (var user in s_users[1..8])
            for (var n = 0; n < 3; n++) await One.SendAsync(user, $"t{n}", $"{n}", [user]);
        foreach (var user in s_users[1..8]) Assert.That(await One.ReadOfAsync(user), Is.EquivalentTo(new[] { "before", "0", "1", "2" }));
    }

    [Test]
    public async Task D13_much_that_one_user_sends_goes_in_portions_between_which_others_go()
    {
        var first = Hold();
        Task<CommitResult>[] many = [.. Enumerable.Range(0, 12).Select(ManyAsync)];
        var other = One.SendAsync(s_users[5], "other", "other", [s_users[5]]);
        GoOn();

        Assert.That(await Task.WhenAll(many.Append(first).Append(other)), Is.All.EqualTo(CommitResult.Committed));
        Assert.That(View.Count("SELECT max(rows) FROM (SELECT count(*) AS rows FROM to_device.to_device_message GROUP BY xmin) commits"), Is.LessThanOrEqualTo(2100));

        async Task<CommitResult> ManyAsync(int n)
        {
            await using var transaction = (await One.Transactions.BeginAsync(DistributedUsers.Key(s_users[4], $"many{n}"), One.Transactions.KnownRemovals, default))!;
            await One.Inbox.AppendAsync(
                transaction, [.. Enumerable.Range(0, 700).Select(m => new ToDeviceMessage(new DeviceAddress(s_users[4], $"X{m}"), s_users[4], "m.test", "{}"u8.ToArray(), 1))],
                default);
            return await transaction.CommitAsync(default);
        }
    }

    /// <summary>A send that is accepted when the test says so.</summary>
    private Task<CommitResult> Hold()
    {
        View.Execute($"INSERT INTO public.held VALUES ('{s_users[0]}')");
        return One.SendAsync(s_users[0], "held", s_users[0], [s_users[0]]);
    }

    private void GoOn() => View.Execute("DELETE FROM public.held");
}
