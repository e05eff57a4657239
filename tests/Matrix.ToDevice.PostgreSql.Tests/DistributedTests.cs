using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Matrix.ToDevice.Tests;

/// <summary>The layout for many machines, where a bucket cannot be had and where hosts come and go.</summary>
public class DistributedTests : ManyMachinesTests
{
    private const string BobsBucket = "get_byte(sha256('@bob:hs1'), 0)";
    private const string Marks = $"SELECT count(*) FROM to_device.to_device_delivered WHERE bucket = {BobsBucket}";

    [SetUp]
    public async Task SetUpAsync()
    {
        NewHost();
        await One.SendAsync("first", "first", "B1");
        // A machine that is down, as the coordinator tells it: nothing can be put into the bucket.
        View.Execute("""
            CREATE TABLE public.down (bucket integer);
            CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN
                IF EXISTS (SELECT FROM public.down d WHERE d.bucket = NEW.bucket) THEN RAISE ''down'' USING ERRCODE = ''08006''; END IF;
                RETURN NEW;
            END';
            CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON to_device.to_device_delivered FOR EACH ROW EXECUTE FUNCTION public.refuse();
            """);
    }

    [Test]
    public async Task D4_D12_what_is_accepted_while_its_bucket_is_down_is_delivered_in_order_when_it_is_back()
    {
        BobsBucketIsDown();
        for (var n = 0; n < 5; n++) Assert.That(await One.SendAsync($"t{n}", $"{n}", "B1"), Is.EqualTo(CommitResult.Committed));
        Assert.That(await One.SendAsync("t0", "0", "B1"), Is.EqualTo(CommitResult.AlreadyCommitted));
        Assert.That(await One.ReadAsync("B1"), Is.EqualTo(new[] { "first" }));
        Assert.That(View.Count(Intents), Is.EqualTo(5));
        var health = await One.HealthAsync();
        Assert.That(health.Status, Is.EqualTo(HealthStatus.Degraded), "others go on");
        Assert.That(health.Description, Does.Contain("1 of 256"));

        AllAreUp();
        await View.ReachesAsync(Intents, 0);
        Assert.That(await One.ReadAsync("B1"), Is.EqualTo(new[] { "first", "0", "1", "2", "3", "4" }));
    }

    [Test]
    public async Task D4_what_one_host_has_left_behind_another_one_delivers_when_it_starts()
    {
        BobsBucketIsDown();
        await One.SendAsync("t0", "0", "B1");
        await One.DisposeAsync();
        AllAreUp();

        var two = NewHost();
        await two.HealthAsync();
        await View.ReachesAsync(Intents, 0);
        Assert.That(await two.ReadAsync("B1"), Is.EqualTo(new[] { "first", "0" }));
    }

    [Test]
    public async Task D6_a_device_that_is_removed_behind_the_acceptance_gets_nothing_of_it_nor_does_a_later_one_of_its_ID()
    {
        BobsBucketIsDown();
        await One.SendAsync("t0", "0", ["B1", "B2"]);
        await NewHost().Inbox.RemoveDeviceAsync(Host.Bob("B1"), default);
        AllAreUp();
        await View.ReachesAsync(Intents, 0);
        while ((await One.HealthAsync()).Status == HealthStatus.Degraded) await Task.Yield();
        while (await One.SendAsync("t1", "1", "B1") == CommitResult.DeviceRemoved) await Task.Yield();

        Assert.That(await One.ReadAsync("B1"), Is.EqualTo(new[] { "1" }));
        Assert.That(await One.ReadAsync("B2"), Is.EqualTo(new[] { "0" }));
    }

    [Test]
    public async Task D4_D12_sends_of_one_device_through_two_hosts_at_once_arrive_once_each()
    {
        var two = NewHost();
        await Task.WhenAll(Enumerable.Range(0, 60).Select(n => Task.Run(() => (n % 2 == 0 ? One : two).SendAsync($"t{n}", $"{n}", "B1"))));

        await View.ReachesAsync(Intents, 0);
        Assert.That(await two.ReadAsync("B1"), Is.EquivalentTo(Enumerable.Range(0, 60).Select(n => $"{n}").Prepend("first")));
    }

    [Test]
    public async Task D4_a_send_of_which_the_recipients_bucket_has_everything_delivers_nothing_more()
    {
        // As if what deletes intents had been lost, and somebody else tries.
        View.Execute("CREATE TABLE public.kept AS TABLE to_device.to_device_intent WITH NO DATA");
        View.Execute("""
            CREATE FUNCTION public.keep() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO public.kept SELECT (NEW).*; RETURN NEW; END';
            CREATE TRIGGER keep AFTER INSERT ON to_device.to_device_intent FOR EACH ROW EXECUTE FUNCTION public.keep();
            """);
        await One.SendAsync("t0", "0", "B1");
        await One.SendAsync("t1", "1", "B1");
        await View.ReachesAsync(Intents, 0);
        View.Execute("INSERT INTO to_device.to_device_intent TABLE public.kept ON CONFLICT DO NOTHING");

        await NewHost().HealthAsync();
        await View.ReachesAsync(Intents, 0);
        Assert.That(await One.ReadAsync("B1"), Is.EqualTo(new[] { "first", "0", "1" }));
    }

    [Test]
    public void D4_an_intent_that_was_seen_too_long_ago_is_not_delivered()
    {
        const string Deliver = """
            SELECT to_device.to_device_deliver(1, 0, '{{1}}', '{{2}}', '{{@alice:hs1}}', '{{A1}}', '{{5}}', '{{5}}', {0}, 600000000,
                '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}')
            """;
        const string Now = "(extract(epoch FROM now()) * 1000000)::bigint";
        Assert.That(View.Count(string.Format(null, Deliver, $"{Now} - 601000000")), Is.EqualTo(-2), "its mark may have been forgotten");
        Assert.That(View.Count(string.Format(null, Deliver, Now)), Is.Zero);
        Assert.That(View.Count(string.Format(null, Deliver, Now)), Is.EqualTo(-1), "once");
    }

    [Test]
    public async Task D4_a_mark_is_forgotten_when_nothing_has_waited_behind_it_for_long()
    {
        const string Age = $"UPDATE to_device.to_device_delivered SET last = last - 2 * 86400000000::bigint, idle_since = idle_since - interval '20 minutes' WHERE bucket = {BobsBucket}";
        await View.ReachesAsync(Intents, 0);
        await PurgeAsync();
        Assert.That(View.Count($"{Marks} AND idle_since IS NULL"), Is.EqualTo(1), "its device has sent something not long ago");

        View.Execute(Age);
        View.Execute("INSERT INTO to_device.to_device_intent SELECT source, user_id, device_id, bucket, last, now(), '' FROM to_device.to_device_delivered");
        await PurgeAsync();
        Assert.That(View.Count($"{Marks} AND idle_since IS NULL"), Is.EqualTo(1), "something waits that it may be asked for");

        View.Execute("DELETE FROM to_device.to_device_intent");
        await PurgeAsync();
        Assert.That(View.Count($"{Marks} AND idle_since IS NOT NULL"), Is.EqualTo(1), "somebody may have seen an intent just before");
        await PurgeAsync();
        Assert.That(View.Count(Marks), Is.EqualTo(1));

        View.Execute($"UPDATE to_device.to_device_delivered SET idle_since = idle_since - interval '20 minutes'");
        await PurgeAsync();
        Assert.That(View.Count(Marks), Is.Zero);
        await One.SendAsync("t1", "1", "B1");
        Assert.That(await One.ReadAsync("B1"), Is.EqualTo(new[] { "first", "1" }));
    }

    [Test]
    public async Task D6_removals_of_others_in_its_bucket_do_not_refuse_a_send_to_a_device_that_has_come_back()
    {
        await One.Inbox.RemoveDeviceAsync(Host.Bob("B1"), default);
        Assert.That(await One.SendAsync("t0", "0", "B1"), Is.EqualTo(CommitResult.Committed));
        var lookedUp = One.Transactions.KnownRemovals;
        for (var n = 0; n < 10; n++) await One.Inbox.RemoveDeviceAsync(Host.Bob($"other{n}"), default);

        Assert.That(await One.SendAsync("t1", "1", ["B1"], knownRemovals: lookedUp), Is.EqualTo(CommitResult.Committed));
        Assert.That(await One.SendAsync("t2", "2", ["other9"], knownRemovals: lookedUp), Is.EqualTo(CommitResult.DeviceRemoved));
    }

    [Test]
    public async Task D4_an_intent_that_nobody_can_read_holds_up_no_others()
    {
        BobsBucketIsDown();
        await One.SendAsync("t0", "0", "B1");
        await One.DisposeAsync();
        View.Execute("""
            INSERT INTO to_device.to_device_intent SELECT bucket, user_id, 'odd', target, 1, now() - interval '1 hour', '\xff' FROM to_device.to_device_intent;
            INSERT INTO to_device.to_device_intent SELECT bucket, user_id, 'cut', target, 1, now() - interval '1 hour', '\x01' FROM to_device.to_device_intent LIMIT 1;
            INSERT INTO to_device.to_device_intent SELECT bucket, user_id, device_id, target, number + 1, accepted_at, '\xff' FROM to_device.to_device_intent WHERE number > 1
            """);
        AllAreUp();

        var two = NewHost();
        await two.HealthAsync();
        await View.ReachesAsync(Intents, 3);
        Assert.That(await two.ReadAsync("B1"), Is.EqualTo(new[] { "first", "0" }));
        Assert.That((await two.HealthAsync()).Status, Is.EqualTo(HealthStatus.Healthy), "its bucket is none that cannot be had");
    }

    private void BobsBucketIsDown() => View.Execute($"INSERT INTO public.down VALUES ({BobsBucket})");

    private void AllAreUp() => View.Execute("DELETE FROM public.down");

    private async Task PurgeAsync() =>
        await One.Transactions.PurgeAsync(TransactionKey.SendToDevice, TimeProvider.System.GetUtcNow() - TimeSpan.FromDays(1), 1000, default);
}
