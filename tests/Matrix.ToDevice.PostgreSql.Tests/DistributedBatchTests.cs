using Npgsql;

namespace Matrix.ToDevice.Tests;

/// <summary>What waits for the same bucket goes there together, in one commit.</summary>
public class DistributedBatchTests : ManyMachinesTests
{
    private const string Commits = "SELECT count(DISTINCT id) FROM public.commits";

    [SetUp]
    public async Task SetUpAsync()
    {
        await using (var before = new Host(Database, options => options.Layout = PostgreSqlLayout.CitusReady)) await before.SendAsync("first", "first", "B1");
        // A host that starts delivers whatever waits, one by one. That is over when it has been to the last bucket, and found what lies there.
        View.Execute($$"""
            INSERT INTO to_device.to_device_intent (bucket, user_id, device_id, target, number, accepted_at, payload)
            VALUES (255, '{{DistributedUsers.Of(bucket => bucket == 255, 1)[0]}}', 'D', 0, 1, now(), decode('01' || repeat('00', 24), 'hex'))
            """);
        await NewHost().HealthAsync();
        await View.ReachesAsync(Intents, 0);
        // A bucket that is down; one that takes its time, as long as the test holds it; and which commits have come to it.
        View.Execute("""
            CREATE TABLE public.down (bucket integer);
            CREATE TABLE public.held (bucket integer);
            CREATE TABLE public.commits (id bigint);
            CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN
                WHILE EXISTS (SELECT FROM public.held h WHERE h.bucket = NEW.bucket) LOOP PERFORM pg_sleep(0.01); END LOOP;
                IF EXISTS (SELECT FROM public.down d WHERE d.bucket = NEW.bucket) THEN RAISE ''down'' USING ERRCODE = ''08006''; END IF;
                INSERT INTO public.commits VALUES (txid_current());
                RETURN NEW;
            END';
            CREATE TRIGGER note BEFORE INSERT OR UPDATE ON to_device.to_device_delivered FOR EACH ROW EXECUTE FUNCTION public.note();
            """);
    }

    [Test]
    public async Task D4_D12_what_has_waited_for_a_bucket_goes_there_in_few_commits()
    {
        View.Execute("INSERT INTO public.down VALUES (get_byte(sha256('@bob:hs1'), 0))");
        for (var n = 0; n < 30; n++) await One.SendAsync($"t{n}", $"{n}", "B1");
        View.Execute("DELETE FROM public.down");
        await View.ReachesAsync(Intents, 0);

        Assert.That(await One.ReadAsync("B1"), Is.EqualTo(Enumerable.Range(0, 30).Select(n => $"{n}").Prepend("first")));
        Assert.That(View.Count(Commits), Is.EqualTo(3));
    }

    [Test]
    public async Task D4_sends_that_come_while_one_is_delivered_go_together_and_one_that_is_refused_goes_alone()
    {
        View.Execute("""
            CREATE FUNCTION public.dislike() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN IF NEW.event_type = ''m.odd'' THEN RAISE ''odd'' USING ERRCODE = ''22000''; END IF; RETURN NEW; END';
            CREATE TRIGGER dislike BEFORE INSERT ON to_device.to_device_message FOR EACH ROW EXECUTE FUNCTION public.dislike();
            """);
        View.Execute("INSERT INTO public.held VALUES (get_byte(sha256('@bob:hs1'), 0))");
        Task<CommitResult>[] sends = [.. Enumerable.Range(0, 40).Select(n => One.SendAsync($"t{n}", $"{n}", [$"B{n % 3}"], $"A{n}"))];
        await View.ReachesAsync(Intents, 40);
        View.Execute("DELETE FROM public.held");

        Assert.That(await Task.WhenAll(sends), Is.All.EqualTo(CommitResult.Committed));
        Assert.That(View.Count(Commits), Is.LessThan(20));
        List<string> read = [.. await One.ReadAsync("B0"), .. await One.ReadAsync("B1"), .. await One.ReadAsync("B2")];
        Assert.That(read, Is.EquivalentTo(Enumerable.Range(0, 40).Select(n => $"{n}").Prepend("first")));

        View.Execute("INSERT INTO public.held VALUES (get_byte(sha256('@bob:hs1'), 0))");
        await View.ReachesAsync(Intents, 0);
        sends = [.. Enumerable.Range(0, 10).Select(n => One.SendAsync($"u{n}", $"u{n}", ["B3"], $"A{n}", eventType: n == 5 ? "m.odd" : "m.test"))];
        await View.ReachesAsync(Intents, 10);
        View.Execute("DELETE FROM public.held");

        Assert.That(await Task.WhenAll(sends), Is.All.EqualTo(CommitResult.Committed));
        Assert.That(await One.ReadAsync("B3"), Is.EquivalentTo(Enumerable.Range(0, 10).Where(n => n != 5).Select(n => $"u{n}")));
        await View.ReachesAsync(Intents, 1);
    }

    [Test]
    public async Task D4_a_send_that_comes_late_into_its_bucket_behind_a_newer_one_and_was_put_there_by_another_host_comes_once()
    {
        const string Alice = "@alice:hs1", Bob = "@bob:hs1";
        var (bob, one, two) = (DistributedUsers.BucketOf(Bob), NewHost(options => options.Writers = 1), NewHost());
        // A send has two places at once, of such few: it comes to the third bucket last.
        var slow = DistributedUsers.Of(bucket => bucket != bob && bucket != DistributedUsers.BucketOf(Alice), 2);
        foreach (var user in slow) View.Execute($"INSERT INTO public.held VALUES ({DistributedUsers.BucketOf(user)})");
        var older = one.SendAsync(Alice, "t1", "older", [.. slow, Bob]);
        await View.ReachesAsync(For(bob), 1);
        var retry = two.SendAsync(Alice, "t1", "older", [.. slow, Bob]);
        await View.ReachesAsync(For(bob), 0);

        // Bob's bucket is busy, with somebody else's.
        View.Execute($"INSERT INTO public.held VALUES ({bob})");
        var other = one.SendAsync("@other:hs1", "t", "other", [Bob]);
        await View.ReachesAsync(For(bob), 1);
        var newer = one.SendAsync(Alice, "t2", "newer", [Bob]);
        await View.ReachesAsync(For(bob), 2);
        View.Execute($"DELETE FROM public.held WHERE bucket <> {bob}");
        await View.ReachesAsync($"SELECT count(*) FROM to_device.to_device_intent WHERE target <> {bob}", 0);
        // The older one stands in the lane behind the newer one soon, which nobody can see.
        await Task.WhenAny(older, Task.Delay(1000));
        View.Execute("DELETE FROM public.held");
        await Task.WhenAll(older, retry, other, newer);

        await View.ReachesAsync(Intents, 0);
        Assert.That(await one.ReadOfAsync(Bob), Is.EquivalentTo(new[] { "older", "other", "newer" }));

        static string For(int bucket) => $"SELECT count(*) FROM to_device.to_device_intent WHERE target = {bucket}";
    }

    [Test]
    public async Task D6_D13_a_device_that_somebody_has_for_long_holds_up_those_who_send_to_it_and_nobody_else()
    {
        Task<CommitResult>[] sends;
        await using (var connection = View.Open())
        {
            // As a removal with a very long inbox has it.
            await using var transaction = await connection.BeginTransactionAsync();
            await using var command = new NpgsqlCommand("SELECT FROM to_device.to_device_device WHERE device_id = 'B1' FOR UPDATE", connection);
            await command.ExecuteNonQueryAsync();
            sends = [.. Enumerable.Range(0, 30).Select(n => One.SendAsync($"t{n}", $"{n}", ["B1"], $"A{n}"))];
            await View.ReachesAsync(Intents, 30);
            for (var n = 0; n < 10; n++) Assert.That(await One.SendAsync($"u{n}", $"u{n}", ["B2"], "C"), Is.EqualTo(CommitResult.Committed));
            Assert.That(await One.ReadAsync("B2"), Is.EqualTo(Enumerable.Range(0, 10).Select(n => $"u{n}")));
            Assert.That(await Task.WhenAll(sends), Is.All.EqualTo(CommitResult.Committed), "they are accepted");
            Assert.That(await One.ReadAsync("B1"), Is.EqualTo(new[] { "first" }));
        }

        await View.ReachesAsync(Intents, 0);
        Assert.That(await One.ReadAsync("B1"), Is.EquivalentTo(Enumerable.Range(0, 30).Select(n => $"{n}").Prepend("first")));
    }

    [Test]
    public void D4_intents_of_which_some_were_here_before_are_not_put_here_together()
    {
        Assert.That(Deliver("{5,5}", "{6,6}"), Is.Zero);
        Assert.That(Deliver("{5,5}", "{6,6}"), Is.EqualTo(-1), "all were here");
        Assert.That(() => Deliver("{6,7}", "{7,7}"), Throws.TypeOf<PostgresException>().With.Message.Contains("here before"), "of the first source");
        Assert.That(() => Deliver("{7,5}", "{7,6}"), Throws.TypeOf<PostgresException>().With.Message.Contains("here before"), "all of the second one");
        Assert.That(Deliver("{7,7}", "{7,7}"), Is.Zero, "and nothing of these was kept");

        long Deliver(string firsts, string lasts) => View.Count($$"""
            SELECT to_device.to_device_deliver(1, 0, '{1,1}', '{2,3}', '{@alice:hs1,@carol:hs1}', '{A,C}', '{{firsts}}', '{{lasts}}', (extract(epoch FROM now()) * 1000000)::bigint,
                600000000, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')
            """);
    }

    [Test]
    public async Task D4_batches_of_several_hosts_lock_the_same_devices_in_one_order()
    {
        View.Execute("""
            CREATE TABLE public.locks (place bigserial, id bigint, device_id text COLLATE "C");
            CREATE FUNCTION public.lock() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO public.locks (id, device_id) VALUES (txid_current(), NEW.device_id); RETURN NEW; END';
            CREATE TRIGGER lock BEFORE INSERT OR UPDATE ON to_device.to_device_device FOR EACH ROW WHEN (NEW.user_id = '@bob:hs1')
            EXECUTE FUNCTION public.lock();
            """);
        Host[] hosts = [One, NewHost(), NewHost()];
        string[] devices = [.. Enumerable.Range(0, 8).Select(n => $"B{n}")];
        await Task.WhenAll(Enumerable.Range(0, 60).Select(sender => Task.Run(async () =>
        {
            for (var n = 0; n < 10; n++)
            {
                var some = devices.OrderBy(_ => Random.Shared.Next()).Take(4);
                Assert.That(await hosts[sender % 3].SendAsync($"t{n}", $"{sender}:{n}", some, $"A{sender}"), Is.EqualTo(CommitResult.Committed));
            }
        })));
        // Where another host has had a device for long, it goes there behind the answer.
        await View.ReachesAsync(Intents, 0);
        var read = new List<string>();
        foreach (var device in devices) read.AddRange(await hosts[0].ReadAsync(device));

        Assert.That(read, Has.Count.EqualTo(1 + (60 * 10 * 4)));
        Assert.That(View.Count("SELECT count(DISTINCT id) FROM public.locks"), Is.LessThan(60 * 10), "together");
        Assert.That(
            View.Count("SELECT count(*) FROM (SELECT device_id < lag(device_id) OVER (PARTITION BY id ORDER BY place) AS is_back FROM public.locks) l WHERE l.is_back"),
            Is.Zero);
    }
}
