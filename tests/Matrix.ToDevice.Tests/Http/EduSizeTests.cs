using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>EDUs are split so that each stays within 65,536 bytes of canonical JSON (D16).</summary>
public class EduSizeTests : HttpTests
{
    private const int Limit = 65_536;
    private const int Commas = 2;

    private static readonly JsonSerializerOptions s_canonical = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    [TestCase(1, 1000, 300)]
    [TestCase(1000, 1, 300)]
    [TestCase(10, 100, 2000)]
    [TestCase(3, 7, 60_000)]
    [TestCase(500, 2, 0)]
    [TestCase(1000, 1, 0, 200, Description = "user IDs take up most of it")]
    [TestCase(45, 1, 1346, 200, Description = "the user ID of the next one decides whether it fits")]
    [TestCase(45, 1, 1350, 200)]
    [TestCase(45, 1, 1354, 200)]
    [TestCase(45, 1, 1358, 200)]
    [TestCase(45, 1, 1362, 200)]
    public async Task R27_D16_a_send_to_many_devices_is_split_and_nothing_is_lost(
        int users, int devices, int padding, int namePadding = 0)
    {
        var targets = new Dictionary<(string User, string Device), string>();
        for (var user = 0; user < users; user++)
        {
            for (var device = 0; device < devices; device++)
                targets.Add(($"@{new string('x', namePadding)}{user}:hs2", $"DEVICE{device}"), $$"""{"n":"{{user}}/{{device}}","p":"{{new string('é', padding / 2)}}"}""");
        }

        await SendAsync(targets);

        var edus = await ReadAsync();
        var arrived = edus.SelectMany(edu => edu["messages"]!.AsObject()).SelectMany(
            user => user.Value!.AsObject(), (user, device) => ((user.Key, device.Key), Canonical(device.Value!)));
        Assert.That(arrived, Is.EquivalentTo(targets.Select(target => (target.Key, target.Value))), "all of them, each once");
        var sizes = edus.Select(EduSize).ToArray();
        Assert.That(sizes, Has.All.AtMost(Limit));
        // As few as can be: no two neighbours would fit into one.
        Assert.That(sizes.Zip(sizes.Skip(1), (one, next) => one + next), Has.All.GreaterThan(Limit));
        Assert.That(edus.Select(edu => (string?)edu["message_id"]), Is.Unique);
    }

    [Test]
    public async Task R27_D16_the_largest_content_for_another_server_fills_its_EDU()
    {
        var overhead = await MeasureOverheadAsync();

        var largest = $$"""{"p":"{{new string('x', Limit - overhead)}}"}""";
        (await Alice.SendAsync("t1", "@carol:hs2", "C1", largest)).ShouldBeAccepted();

        Assert.That(EduSize((await ReadAsync()).Single()), Is.EqualTo(Limit - Commas));
    }

    [Test]
    public async Task R27_D8_D16_a_content_that_fits_no_EDU_is_M_TOO_LARGE_and_nothing_is_stored()
    {
        var overhead = await MeasureOverheadAsync();

        var tooLarge = $$"""{"p":"{{new string('x', Limit - overhead + 1)}}"}""";
        (await Alice.PutAsync("m.test", "t1", $$$"""
            {"messages":{"@bob:hs1":{"B1":{} },"@dave:hs3":{"D":{} },"@carol:hs2":{"C0":{},"C1":{{{tooLarge}}} } } }
            """)).ShouldBe(413, "M_TOO_LARGE");

        Assert.That(await CountBobsMailAsync(), Is.Zero);
        Assert.That(await Server.Services.GetRequiredService<IFederationOutbox>().ListDestinationsAsync(null, 10, default), Is.Empty);
        (await Alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [TestCase("1e15", "1000000000000000")]
    [TestCase("-1e9", "-1000000000")]
    [TestCase("1e5", "100000")]
    public async Task D16_D20_a_number_counts_as_it_goes_out(string number, string canonical)
    {
        var overhead = await MeasureOverheadAsync();
        const int Count = 3000;
        string Content(int padding) =>
            $$"""{"p":"{{new string('x', padding)}}","q":[{{string.Join(",", Enumerable.Repeat(number, Count))}}]}""";
        var padding = Limit - overhead - ",\"q\":[]".Length - (Count * (canonical.Length + 1)) + 1;

        (await Alice.SendAsync("t1", "@carol:hs2", "C1", Content(padding + 1))).ShouldBe(413, "M_TOO_LARGE");
        (await Alice.SendAsync("t1", "@carol:hs2", "C1", Content(padding))).ShouldBeAccepted();

        Assert.That(EduSize((await ReadAsync()).Single()), Is.EqualTo(Limit - Commas));
    }

    [Test]
    public async Task D16_D20_contents_that_grow_are_split_as_they_go_out()
    {
        var numbers = string.Join(",", Enumerable.Repeat("1e15", 1000));
        var targets = Enumerable.Range(0, 20).ToDictionary(n => ($"@{n}:hs2", "D"), _ => $"[{numbers}]");
        await SendAsync(targets.ToDictionary(target => target.Key, target => $$"""{"v":{{target.Value}}}"""));

        var edus = await ReadAsync();
        Assert.That(edus, Has.Count.EqualTo(7), "three of 17,000 bytes in each");
        Assert.That(edus.Select(EduSize), Has.All.AtMost(Limit));
        Assert.That(edus.SelectMany(edu => edu["messages"]!.AsObject()).Select(user => user.Key), Is.EquivalentTo(targets.Keys.Select(target => target.Item1)));
    }

    [Test]
    public async Task D16_escapes_and_white_space_do_not_count()
    {
        var overhead = await MeasureOverheadAsync();
        var text = string.Concat(Enumerable.Repeat("\\u0078", Limit - overhead));

        (await Alice.SendAsync("t1", "@carol:hs2", "C1", $"{{ \"p\" :  \"{text}\" }}")).ShouldBeAccepted();

        Assert.That(EduSize((await ReadAsync()).Single()), Is.EqualTo(Limit - Commas));
    }

    [TestCase(1024)]
    [TestCase(150_000)]
    public async Task R90_D16_the_size_of_an_EDU_is_an_option(int limit)
    {
        await using var server = await TestHomeserver.StartAsync(builder => builder.Services.Configure<SendToDeviceOptions>(
            options => (options.MaxEduBytes, options.MaxContentBytes) = (limit, 1 << 20)));
        var alice = server.Login("@alice:hs1", "A1");
        var outbox = server.Services.GetRequiredService<IFederationOutbox>();
        string Content(int length) => $$"""{"p":"{{new string('x', length)}}"}""";

        (await alice.SendAsync("t1", "@carol:hs2", "C1", Content(limit))).ShouldBe(413, "M_TOO_LARGE");
        (await alice.PutAsync("m.test", "t2", $$$"""
            {"messages":{"@carol:hs2":{"C1":{{{Content(limit / 3)}}},"C2":{{{Content(limit / 3)}}},"C3":{{{Content(limit / 2)}}} } } }
            """)).ShouldBeAccepted();

        var sizes = (await outbox.ReadAsync("hs2", 10)).Select(entry => EduSize(JsonNode.Parse(entry.Content.Span)!.AsObject())).ToList();
        Assert.That(sizes, Has.Count.InRange(2, 3).And.All.InRange(limit / 3, limit));
    }

    /// <summary>How many bytes an EDU has whose text is empty, and two commas, which the splitter counts. It is removed again.</summary>
    private async Task<int> MeasureOverheadAsync()
    {
        (await Alice.SendAsync("measure", "@carol:hs2", "C1", """{"p":""}""")).ShouldBeAccepted();
        var size = EduSize((await ReadAsync()).Single());
        await Server.Services.GetRequiredService<IFederationOutbox>().RemoveAllAsync("hs2");
        return size + Commas;
    }

    private async Task SendAsync(Dictionary<(string User, string Device), string> targets)
    {
        var users = targets.GroupBy(target => target.Key.User).Select(user =>
            $"\"{user.Key}\":{{{string.Join(",", user.Select(target => $"\"{target.Key.Device}\":{target.Value}"))}}}");
        (await Alice.PutAsync("m.room.encrypted", "t1", $$"""{"messages":{{{string.Join(",", users)}}} }""")).ShouldBeAccepted();
    }

    private async Task<List<JsonObject>> ReadAsync()
    {
        var entries = await Server.Services.GetRequiredService<IFederationOutbox>().ReadAsync("hs2", 10_000);
        return [.. entries.Select(entry => JsonNode.Parse(entry.Content.Span)!.AsObject())];
    }

    /// <summary>The bytes of the EDU as canonical JSON; the order of keys does not change the number.</summary>
    private static int EduSize(JsonObject content) =>
        Encoding.UTF8.GetByteCount($$"""{"content":{{Canonical(content)}},"edu_type":"m.direct_to_device"}""");

    private static string Canonical(JsonNode node) => node.ToJsonString(s_canonical);
}
