using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Matrix.ToDevice.Tests;

/// <summary>What a bucket that cannot be had, or an intent that cannot be delivered, does to others: nothing.</summary>
public class DistributedDownTests : ManyMachinesTests
{

    private static readonly List<string> s_users = DistributedUsers.Of(_ => true, 40);
    private static readonly string s_alice = s_users[0], s_bob = s_users[1], s_carol = s_users[2], s_dave = s_users[3];

    [SetUp]
    public async Task SetUpAsync()
    {
        await using (var host = NewHost()) await host.SendAsync(s_dave, "first", "first", [s_dave]);
        // A machine that is down, as the coordinator tells it.
        View.Execute("""
            CREATE TABLE public.down (bucket integer);
            CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN
                IF EXISTS (SELECT FROM public.down d WHERE d.bucket = coalesce(NEW.bucket, OLD.bucket)) THEN RAISE ''down'' USING ERRCODE = ''08006''; END IF;
                RETURN coalesce(NEW, OLD);
            END';
            CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON to_device.to_device_delivered FOR EACH ROW EXECUTE FUNCTION public.refuse();
            CREATE TRIGGER refuse BEFORE DELETE ON to_device.to_device_intent FOR EACH ROW EXECUTE FUNCTION public.refuse();
            """);
    }

    [Test]
    public async Task D4_a_sender_whose_bucket_goes_down_behind_its_acceptance_keeps_nobody_from_its_recipients()
    {
        var host = NewHost();
        Down(s_alice);
        await host.SendAsync(s_alice, "t0", "0", [s_bob]);
        while ((await host.HealthAsync()).Status == HealthStatus.Healthy) await TimeLimit.OneMoreTurnAsync();
        for (var n = 1; n < 20; n++)
        {
            await host.SendAsync(s_carol, $"t{n}", $"{n}", [s_bob]);
            Assert.That(await host.ReadOfAsync(s_bob), Has.Count.EqualTo(n + 1), "at once");
        }

        Assert.That((await host.HealthAsync()).Description, Does.Contain("1 of 256"));
    }

    [Test]
    public async Task D4_D12_a_recipient_whose_bucket_is_down_keeps_nobody_from_its_senders_nor_these_from_others()
    {
        var host = NewHost();
        Down(s_bob);
        for (var n = 0; n < 20; n++)
        {
            Assert.That(await host.SendAsync(s_alice, $"t{n}", $"{n}", [s_bob, s_dave]), Is.EqualTo(CommitResult.Committed));
            await host.SendAsync(s_carol, $"t{n}", $"{n}", [s_alice]);
            Assert.That(await host.ReadOfAsync(s_dave), Has.Count.EqualTo(n + 2), "at once");
            Assert.That(await host.ReadOfAsync(s_alice), Has.Count.EqualTo(n + 1), "at once");
        }

        Assert.That((await host.HealthAsync()).Description, Does.Contain("1 of 256"));
        Up();
        await View.ReachesAsync(Intents, 0);
        Assert.That(await host.ReadOfAsync(s_bob), Is.EqualTo(Enumerable.Range(0, 20).Select(n => $"{n}")));
    }

    [Test]
    public async Task D4_much_that_waits_for_a_bucket_that_is_down_hides_nothing_that_waits_for_others()
    {
        await LeaveBehindAsync((s_bob, "to bob"), (s_carol, "to carol"));
        Down(s_bob);
        View.Execute($"""
            INSERT INTO to_device.to_device_intent SELECT bucket, user_id, 'device ' || n, target, number, accepted_at - interval '1 hour', payload
            FROM to_device.to_device_intent, generate_series(1, 1200) n WHERE target = {DistributedUsers.BucketOf(s_bob)}
            """);

        // Once around the buckets in a second.
        var time = new DistributedTime(times: 60);
        time.Passes();
        var host = NewHost(time: time);
        await host.HealthAsync();
        await View.ReachesAsync($"{Intents} WHERE target <> {DistributedUsers.BucketOf(s_bob)}", 0);
        Assert.That(await host.ReadOfAsync(s_carol), Is.EqualTo(new[] { "to carol" }));
        Assert.That(View.Count(Intents), Is.EqualTo(1201));
    }

    [Test]
    public async Task D4_the_first_round_of_a_host_finds_what_was_left_behind_just_before()
    {
        await LeaveBehindAsync((s_bob, "0"));
        // No time passes: there is no second round.
        var host = NewHost(time: new DistributedTime());
        await host.ReadOfAsync(s_alice);
        await View.ReachesAsync(Intents, 0);
        Assert.That(await host.ReadOfAsync(s_bob), Is.EqualTo(new[] { "0" }));
    }

    [Test]
    public async Task D4_an_intent_that_fails_whenever_it_is_tried_holds_up_no_others()
    {
        View.Execute($"""
            CREATE FUNCTION public.dislike() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN IF NEW.sender = ''{s_alice}'' THEN RAISE ''odd'' USING ERRCODE = ''22000''; END IF; RETURN NEW; END';
            CREATE TRIGGER dislike BEFORE INSERT ON to_device.to_device_message FOR EACH ROW EXECUTE FUNCTION public.dislike();
            """);
        var host = NewHost();
        for (var n = 0; n < 20; n++)
        {
            Assert.That(await host.SendAsync(s_alice, $"t{n}", $"{n}", [s_bob]), Is.EqualTo(CommitResult.Committed));
            await host.SendAsync(s_carol, $"t{n}", $"{n}", [s_bob]);
            Assert.That(await host.ReadOfAsync(s_bob), Is.EqualTo(Enumerable.Range(0, n + 1).Select(m => $"{m}")), "at once");
        }

        Assert.That((await host.HealthAsync()).Status, Is.EqualTo(HealthStatus.Healthy), "its bucket is none that cannot be had");
        Assert.That(View.Count(Intents), Is.GreaterThanOrEqualTo(20));
    }

    [Test]
    public async Task D4_a_bucket_that_is_down_costs_a_look_and_not_one_for_each_send()
    {
        View.Execute("""
            CREATE SEQUENCE public.looks;
            CREATE OR REPLACE FUNCTION to_device.to_device_look(
                in_bucket integer, buckets integer[], of_buckets integer[], of_user_ids text[], of_device_ids text[]
            ) RETURNS bigint[] LANGUAGE plpgsql AS
            'BEGIN PERFORM nextval(''public.looks''); RAISE ''down'' USING ERRCODE = ''08006''; END';
            """);
        var host = NewHost(time: new ManualTime());
        for (var n = 0; n < 20; n++) Assert.That(await host.SendAsync(s_alice, $"t{n}", $"{n}", [s_bob]), Is.EqualTo(CommitResult.Committed));
        Assert.That(View.Count("SELECT last_value FROM public.looks"), Is.EqualTo(2), "with whatever else comes, and by itself");
        Assert.That(View.Count(Intents), Is.EqualTo(20));
    }

    /// <summary>A host accepts what Alice sends, and dies before it is delivered. One host: a second one would find what the first has left.</summary>
    private async Task LeaveBehindAsync(params (string Recipient, string Content)[] sends)
    {
        foreach (var (recipient, _) in sends) Down(recipient);
        await using (var host = NewHost(time: new DistributedTime()))
            foreach (var (recipient, content) in sends) await host.SendAsync(s_alice, content, content, [recipient]);
        Up();
    }

    private void Down(string user) => View.Execute($"INSERT INTO public.down VALUES ({DistributedUsers.BucketOf(user)})");

    private void Up() => View.Execute("DELETE FROM public.down");
}
