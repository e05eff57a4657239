namespace Matrix.ToDevice.Tests;

public class ContentFidelityTests : HttpTests
{
    [TestCase("""{"n":[1,1.0,1.00,-0,-0.0,1e5,1E+05,1e-7]}""")]
    [TestCase("""{"n":[9007199254740993,18446744073709551616,1e400,0.1000000000000000055511151231257827]}""")]
    [TestCase("""{"s":"\u0041\u00e9\u00E9é\/\"\\\b\f\n\r\t\u0001\u007f🔑\ud83d\udd11"}""")]
    [TestCase("""{"s":"<>&'+`\u003c","k\u0041":"\u2028 \u2029"}""")]
    [TestCase("""{"s":"\ud800","\udc00":["\udc00\ud800",{"x\ud83d":1}]}""")]
    [TestCase("""{"z":1,"a":2,"m":{"b":1,"a":2},"":3}""")]
    [TestCase("""{"a":1,"a":2,"\u0061":3,"b":{"x":1,"x":2}}""")]
    [TestCase("""{"a":null,"b":true,"c":false,"d":[],"e":{},"f":[[],[{}]]}""")]
    [TestCase("""{"s":" a  b\t \\","t":"{ \" } , : [ ]"," k ":" \\\" "}""")]
    [TestCase("{}")]
    public async Task R31_D9_a_content_arrives_as_it_was_written(string content)
    {
        (await Alice.PutAsync("m.test", "t1", ToBob(content))).ShouldBeAccepted();

        Assert.That(await BobsMailAsync(), Is.EqualTo(new[] { content }));
    }

    [Test]
    public async Task D9_white_space_between_tokens_is_all_that_goes()
    {
        const string Content = "{ \"a b\" :\t[ 1 ,\r\n2.0, \" x \\\" y \" , { } ,[ ] ] , \"c\\\\\" : { \"d\" : \"\\\\\" } , \"e\":null\n}";

        (await Alice.PutAsync("m.test", "t1", $"\n{{ \"messages\" : {{ \"@bob:hs1\" : {{ \"B1\" :  {Content}  }} }} }}\n")).ShouldBeAccepted();

        Assert.That(await BobsMailAsync(), Is.EqualTo(new[] { """{"a b":[1,2.0," x \" y ",{},[]],"c\\":{"d":"\\"},"e":null}""" }));
    }

    [Test]
    public async Task D9_contents_of_one_body_do_not_mix()
    {
        var devices = Enumerable.Range(0, 30).Select(i => Server.Login("@many:hs1", $"D{i}")).ToArray();
        var contents = devices.Select((_, i) => $$"""{"n":{{i}},"pad":"{{new string((char)('a' + i % 26), i * 37)}}"}""").ToArray();
        // Every second one is written with white space, which is taken out of the body in its place.
        var targets = contents.Select((content, i) => $"\"D{i}\":{(i % 2 == 0 ? content : content.Replace(",", " ,  ", StringComparison.Ordinal))}");

        (await Alice.PutAsync("m.test", "t1", $$$"""{"messages":{"@many:hs1":{{{{string.Join(" , ", targets)}}} } } }""")).ShouldBeAccepted();

        for (var i = 0; i < devices.Length; i++)
            Assert.That((await devices[i].SyncAsync()).Contents, Is.EqualTo(new[] { contents[i] }));
    }

    [Test]
    public async Task R30_the_recipient_sees_sender_type_and_content_and_nothing_else()
    {
        (await Alice.PutAsync("m.type%22%5C%C3%A9", "t1", ToBob("""{"message_id":"x"}"""))).ShouldBeAccepted();

        Assert.That((await Bob.SyncAsync()).Events, Is.EqualTo(new[]
        {
            new TestSync.Event("@alice:hs1", "m.type\"\\é", """{"message_id":"x"}""", "sender,type,content"),
        }));
    }
}
