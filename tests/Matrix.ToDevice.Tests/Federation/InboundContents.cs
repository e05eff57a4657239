namespace Matrix.ToDevice.Tests;

/// <summary>What other servers send: contents of one message, and whole EDUs, each of which is its own trouble and nobody else's.</summary>
internal static class InboundContents
{
    /// <summary>What stands for a user of the receiving server, one of this user's devices, a sender of the origin and an ID.</summary>
    public const string User = "$USER", Device = "$DEVICE", Sender = "$SENDER", MessageId = "$ID";

    /// <summary>Contents that arrive, as they were written (D9).</summary>
    public static IEnumerable<TestCaseData> Delivered { get; } = Cases(
        """{"v":[0,1,-1,9007199254740991,9007199254740992,-9007199254740993]}""",
        """{"v":[1.5,0.1,1e3,1000.0,1E400,-0,-0.0,1e-400,1.50]}""",
        $$"""{"v":[1{{new string('0', 30)}},1e+30,1.{{new string('3', 500)}}]}""",
        """{"\ud800":"\udc00"}""",
        """{"\ud800aaaaaaaaaaaaaaaaaaaaaaaa":1,"org.matrix.msgid":"1"}""",
        """{"org.matrix.msgid":"\ud800"}""",
        """{"a":"\udc00\ud800","b":{"\udbff":["\uD800x"]}}""",
        """{"a":1,"a":2,"b":{"c":[],"c":{}},"\u0061":3}""",
        """{"b":1,"a":2}""",
        """{"v":"\u0000\u001f\u007f\u00e9é\/\"\\ <&>' 🔑\ud83d\udd11"}""",
        $$"""{"v":{{Nested(119)}}}""",
        $$"""{"v":"{{new string('x', 65_536 - 8)}}"}""",
        $$"""{"v":[{{string.Join(",", Enumerable.Repeat("1e15", 10_000))}}]}""",
        """{"":{"":null}}""");

    /// <summary>Contents that are left out, and those beside them are not (D8, D15).</summary>
    public static IEnumerable<TestCaseData> LeftOut { get; } = Cases(
        $$"""{"v":{{Nested(120)}}}""",
        $$"""{"v":{{Nested(900)}}}""",
        $$"""{"v":{{Nested(5000)}}}""",
        $$"""{"v":{{Nested(100_000)}}}""",
        $$"""{"v":"{{new string('x', 65_536)}}"}""",
        $$"""{"v":[{{string.Join(",", Enumerable.Repeat("1.5", 20_000))}}]}""");

    /// <summary>EDUs that are dropped, or are of no type that anybody here has.</summary>
    public static IEnumerable<TestCaseData> Dropped { get; } = Cases(
        "null",
        "0",
        "1e400",
        "true",
        "\"m.direct_to_device\"",
        "\"\\ud800\"",
        "[]",
        "{}",
        Nested(5000),
        $$"""{"edu_type":"m.direct_to_device","content":{{Nested(5000)}}}""",
        $$"""{"edu_type":{{Nested(5000)}},"content":{} }""",
        """{"edu_type":"m.direct_to_device"}""",
        """{"edu_type":"m.direct_to_device","content":null}""",
        """{"edu_type":"m.direct_to_device","content":"x"}""",
        """{"edu_type":"m.direct_to_device","content":[]}""",
        """{"edu_type":"m.direct_to_device","content":{}}""",
        """{"edu_type":null,"content":{}}""",
        """{"edu_type":1.5,"content":{}}""",
        """{"edu_type":"\ud800","content":{}}""",
        """{"edu_type":"m.direct_to_device\ud800","content":{}}""",
        """{"\ud800xxxxxxxxxxxxxxxxxxxxxxxxxxxx":1}""",
        """{"edu_type":"m.device_list_update","content":{"user_id":"\ud800"}}""",
        """{"edu_type":"m.device_list_update","content":{"user_id":"$SENDER","device_id":"\ud800"}}""",
        """{"edu_type":"m.device_list_update","content":{"\ud800xxxx":1}}""",
        """{"edu_type":"m.device_list_update","content":{"user_id":1,"device_id":{}}}""",
        $$"""{"edu_type":"m.device_list_update","content":{{Nested(5000)}}}""",
        """{"edu_type":"m.device_list_update"}""",
        """{"edu_type":"m.signing_key_update","content":{"user_id":"x\udc00y:\ud800"}}""",
        """{"edu_type":"m.signing_key_update","content":null}""",
        """{"edu_type":"m.typing","content":{"\ud800":1.5}}""",
        Edu(before: "\"edu_type\":\"m.direct_to_device\","),
        Edu(before: "\"edu_type\":\"m.typing\","),
        Edu(before: "\"content\":{},"),
        Edu(before: "\"\\u0063ontent\":1,"),
        Edu(content: "\"sender\":\"$SENDER\","),
        Edu(content: "\"messages\":{},"),
        Edu(content: "\"mess\\u0061ges\":{},"),
        Edu(sender: "\\ud800"),
        Edu(sender: "$SENDER\\ud800"),
        Edu(sender: "@x\\udc00:hs2"),
        Edu(type: "\\ud800"),
        Edu(messageId: "\\ud800$ID"),
        Edu(user: "\\ud800"),
        Edu(user: "$USER\\udfff"),
        Edu(device: "\\udfff"),
        Edu(message: "1.5"),
        Edu(message: "\"\\ud800\""),
        Edu(message: Nested(5000)),
        Edu(messageId: new string('x', 8193)));

    /// <summary>EDUs that hold something that nobody needs to know, and a content <c>{"text":"beside"}</c> for the device.</summary>
    public static IEnumerable<TestCaseData> DeliveredBeside { get; } = Cases(
        Edu(before: "\"\\ud800xxxxxxxxxxxxxxxxxxxxxxxxxxxx\":1,"),
        Edu(before: "\"x\":1.5,\"x\":1e400,\"edu_typ\\ud800\":0,"),
        Edu(before: $"\"x\":{Nested(5000)},"),
        Edu(content: "\"\\ud800xxxxxxxx\":\"\\udc00\",\"x\":-0.0,"),
        Edu(content: $"\"x\":{Nested(5000)},"),
        Edu(type: "m.\\u0000\\n\\u2028"),
        Edu(messageId: "\\u0000$ID\\u0000"),
        Edu(messages: "\"@nobody\\u0000:hs1.localhost\":{\"\\u0000\":{}},"),
        Edu(messages: "\"$USERx\":{\"*\":{\"a\":1.5}},\"\":{\"\":{}},\"@\\u0000\":{},"),
        Edu(messages: $"\"@x:hs3\":{{\"D\":{{\"v\":{Nested(5000)}}}}},"),
        Edu().Replace("m.direct_to_device", "m.direct\\u005fto_device", StringComparison.Ordinal),
        Edu().Replace("\"edu_type\"", "\"edu\\u005Ftype\"", StringComparison.Ordinal));

    /// <summary>An EDU with a content <c>{"text":"beside"}</c>, and with something else in one place.</summary>
    private static string Edu(
        string before = "", string content = "", string messages = "", string sender = Sender, string type = "m.test", string messageId = MessageId,
        string user = User, string device = Device, string message = """{"text":"beside"}""") =>
        $$"""{ {{before}}"edu_type":"m.direct_to_device","content":{ {{content}}"sender":"{{sender}}","type":"{{type}}","message_id":"{{messageId}}","messages":{ {{messages}}"{{user}}":{"{{device}}":{{message}} } } } }""";

    private static string Nested(int depth) => new string('[', depth) + new string(']', depth);

    private static TestCaseData[] Cases(params string[] cases) =>
        [.. cases.Select(one => new TestCaseData(one).SetArgDisplayNames(OutboundContents.Short(one)))];
}
