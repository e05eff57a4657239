using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Matrix.ToDevice.Tests;

/// <summary>What a send puts into the outbox for other servers.</summary>
public class FederationSendTests : HttpTests
{
    private IFederationOutbox Outbox => Server.Services.GetRequiredService<IFederationOutbox>();

    [Test]
    public async Task R27_R80_R82_a_message_for_another_server_is_an_EDU_for_it()
    {
        (await Alice.SendAsync("t1", "@carol:hs2", "C1", """{ "n":1e1,"s":"\u00e9" }""", "m.room.encrypted")).ShouldBeAccepted();

        var entry = (await ReadAsync("hs2")).Single();
        Assert.That(Text(entry), Is.EqualTo(
            $$"""{"message_id":"{{entry.MessageId}}","messages":""" + """{"@carol:hs2":{"C1":{"n":10,"s":"é"}}},"sender":"@alice:hs1","type":"m.room.encrypted"}"""));
    }

    [Test]
    public async Task R82_D16_a_star_goes_out_unexpanded_beside_the_named_devices()
    {
        (await Alice.PutAsync("m.test", "t1", """{"messages":{"@c:hs2":{"*":{"n":1},"C1":{"n":2}},"@d:hs2":{"*":{"n":3}}}}""")).ShouldBeAccepted();

        var messages = JsonNode.Parse((await ReadAsync("hs2")).Single().Content.Span)!["messages"]!;
        Assert.That(messages.ToJsonString(), Is.EqualTo("""{"@c:hs2":{"*":{"n":1},"C1":{"n":2}},"@d:hs2":{"*":{"n":3}}}"""));
    }

    [Test]
    public async Task R27_R81_each_server_gets_an_EDU_of_its_own_and_local_users_their_messages()
    {
        (await Alice.PutAsync("m.test", "t1", """
            {"messages":{"@c:hs2":{"C":{}},"@bob:hs1":{"B1":{}},"@d:hs3:8448":{"D":{}},"@e:hs2":{"E":{}},"@f:[::1]:1":{"F":{}}}}
            """)).ShouldBeAccepted();

        Assert.That(await DestinationsAsync(), Is.EqualTo(new[] { "[::1]:1", "hs2", "hs3:8448" }));
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
        var ids = new List<string>();
        foreach (var destination in await DestinationsAsync()) ids.Add((await ReadAsync(destination)).Single().MessageId);
        Assert.That(ids, Is.Unique);
        Assert.That(ids.Select(id => id.EnumerateRunes().Count()), Has.All.InRange(16, 32));
    }

    [Test]
    public async Task R40_R27_a_retry_puts_nothing_more_into_the_outbox()
    {
        (await Alice.SendAsync("t1", "@carol:hs2", "C1")).ShouldBeAccepted();
        (await Alice.SendAsync("t1", "@carol:hs2", "C1")).ShouldBeAccepted();
        (await Alice.SendAsync("t2", "@carol:hs2", "C1")).ShouldBeAccepted();

        var entries = await ReadAsync("hs2");
        Assert.That(entries, Has.Count.EqualTo(2));
        Assert.That(entries.Select(entry => entry.MessageId), Is.Unique);
    }

    [TestCase("@c:")]
    [TestCase("@c: ")]
    [TestCase("@c:hs 2")]
    [TestCase("@c:hs2/path")]
    [TestCase("@c:hs2?x")]
    [TestCase("@c:hs2#x")]
    [TestCase("@c:user@hs2")]
    [TestCase("@c:hs2:")]
    [TestCase("@c:hs2:port")]
    [TestCase("@c:hs2:123456")]
    [TestCase("@c:hs2:8448:1")]
    [TestCase("@c::8448")]
    [TestCase("@c:[::1")]
    [TestCase("@c:[]")]
    [TestCase("@c:[::1]x")]
    [TestCase("@c:[hs2]")]
    [TestCase("@c:hs2%2f")]
    [TestCase("@c:hs\\n2")]
    [TestCase("@c:hsé")]
    [TestCase("@c:hs_2")]
    public async Task R27_D16_an_invalid_server_name_never_enters_the_outbox(string userId)
    {
        (await Alice.PutAsync("m.test", "t1", $$$"""{"messages":{"{{{userId}}}":{"C":{} },"@bob:hs1":{"B1":{} },"@d:hs3":{"D":{} } } }""")).ShouldBeAccepted();

        Assert.That(await DestinationsAsync(), Is.EqualTo(new[] { "hs3" }));
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [TestCase("@c:hs2", "hs2")]
    [TestCase("@c:HS2.example-1.org", "HS2.example-1.org")]
    [TestCase("@c:1.2.3.4:80", "1.2.3.4:80")]
    [TestCase("@c:[2001:db8::1]", "[2001:db8::1]")]
    [TestCase("@c:[::ffff:1.2.3.4]:65535", "[::ffff:1.2.3.4]:65535")]
    [TestCase("@:hs2", "hs2", Description = "R131")]
    public async Task R27_a_server_name_is_what_follows_the_first_colon(string userId, string destination)
    {
        (await Alice.SendAsync("t1", userId, "")).ShouldBeAccepted();

        Assert.That(await DestinationsAsync(), Is.EqualTo(new[] { destination }));
    }

    [Test]
    public async Task R27_a_user_without_devices_in_the_body_makes_no_EDU()
    {
        (await Alice.PutAsync("m.test", "t1", """{"messages":{"@c:hs2":{}}}""")).ShouldBeAccepted();

        Assert.That(await DestinationsAsync(), Is.Empty);
    }

    [Test]
    public async Task R80_names_with_quotes_and_letters_of_all_kinds_stay_themselves()
    {
        Server.Devices.Add("@\"é\\:hs1", "A");
        var sender = Server.Login(AuthResult.Success("@\"é\\:hs1", "A"));
        (await sender.PutAsync("m%22%0A%F0%9F%94%91", "t1", """{"messages":{"@\"c\u00e9:hs2":{"D\"\\\n":{}}}}""")).ShouldBeAccepted();

        var edu = JsonNode.Parse((await ReadAsync("hs2")).Single().Content.Span)!;
        Assert.That((string?)edu["sender"], Is.EqualTo("@\"é\\:hs1"));
        Assert.That((string?)edu["type"], Is.EqualTo("m\"\n🔑"));
        Assert.That(edu["messages"]!["@\"cé:hs2"]!["D\"\\\n"], Is.Not.Null);
    }

    [Test]
    public async Task R27_R28_a_host_whose_store_has_no_outbox_drops_messages_for_other_servers()
    {
        await using var server = await TestHomeserver.StartAsync(builder => builder.Services.RemoveAll<IFederationOutbox>());
        var alice = server.Login("@alice:hs1", "A1");
        var bob = server.Login("@bob:hs1", "B1");

        (await alice.PutAsync("m.test", "t1", """{"messages":{"@c:hs2":{"C":{}},"@bob:hs1":{"B1":{}}}}""")).ShouldBeAccepted();

        Assert.That((await bob.SyncAsync()).Events, Has.Count.EqualTo(1));
    }

    private async Task<IReadOnlyList<OutboxEntry>> ReadAsync(string destination) => await Outbox.ReadAsync(destination, 100);

    private async Task<IReadOnlyList<string>> DestinationsAsync() => await Outbox.ListDestinationsAsync(null, 100, default);

    private static string Text(OutboxEntry entry) => Encoding.UTF8.GetString(entry.Content.Span);
}
