namespace LocalHomeserver.Tests;

/// <summary>
/// A valid request to every endpoint, or close to one. <c>#</c> stands for the input's number, names in capitals for what
/// <see cref="Filled"/> puts there, and what stands between « and » of a path can be changed.
/// </summary>
internal static class FuzzTemplates
{
    /// <summary>What clients ask: how often, by whom, and what.</summary>
    public static IReadOnlyList<(int Weight, string Caller, string Method, string Path, string? Body)> Client { get; } =
    [
        (16, "sender", "PUT", "sendToDevice/«m.test»/«fuzz#»", """{"messages":{"@fuzz-recipient:hs1.localhost":{"PHONE":CONTENT}}}"""),
        (8, "sender", "PUT", "sendToDevice/«m.test»/«fuzz#»", """{"messages":{"@fuzz-recipient:hs1.localhost":{"*":CONTENT,"LAPTOP":{"a":"b"}},"@nobody:hs1.localhost":{"*":{}}},"more":{"a":["b"]}}"""),
        (6, "sender", "PUT", "sendToDevice/«m.test»/«fuzz#»", """{"messages":{"@bob:hs2.localhost":{"*":CONTENT},"@fuzz-recipient:hs1.localhost":{"PHONE":{}}}}"""),
        (1, "sender", "PUT", "sendToDevice/«m.test»/«fuzz#»", """{"messages":{"@bob:hs3.localhost":{"*":CONTENT}}}"""),
        (5, "uploader", "POST", "keys/upload", """{"device_keys":{"user_id":"@fuzz-uploader:hs1.localhost","device_id":"UPLOADER","algorithms":["m.olm.v1.curve25519-aes-sha2"],"keys":{"ed25519:UPLOADER":"AAAA","curve25519:UPLOADER":"BBBB"},"signatures":{"@fuzz-uploader:hs1.localhost":{"ed25519:UPLOADER":"CCCC"}},"unsigned":{"a":"b"}}}"""),
        (5, "uploader", "POST", "keys/upload", """{"one_time_keys":{"signed_curve25519:A#":{"key":"#","signatures":{"@fuzz-uploader:hs1.localhost":{"ed25519:UPLOADER":"CCCC"}}},"curve25519:B#":"#"},"fallback_keys":{"signed_curve25519:F":{"key":"#","fallback":true,"signatures":{"@fuzz-uploader:hs1.localhost":{"ed25519:UPLOADER":"CCCC"}}}}}"""),
        (5, "asker", "POST", "keys/query", """{"device_keys":{"@fuzz-other:hs1.localhost":[],"@fuzz-uploader:hs1.localhost":["UPLOADER"],"@bob:hs2.localhost":["BOB"]},"timeout":10000,"token":"s1"}"""),
        (5, "asker", "POST", "keys/claim", """{"one_time_keys":{"@fuzz-uploader:hs1.localhost":{"UPLOADER":"signed_curve25519"},"@bob:hs2.localhost":{"BOB":"signed_curve25519"}},"timeout":10000}"""),
        (4, "signer", "POST", "keys/device_signing/upload", "signing"),
        (4, "signer", "POST", "keys/signatures/upload", "signatures"),
        (2, "deleter", "POST", "delete_devices", """{"devices":["A","B"],"auth":AUTH}"""),
        (2, "deleter", "DELETE", "devices/«A»", """{"auth":AUTH}"""),
        (2, "renamer", "PUT", "devices/«RENAMER»", """{"display_name":"telephone #"}"""),
        (1, "renamer", "GET", "devices/«RENAMER»", null),
        (3, "", "POST", "register?kind=«user»", """{"auth":{"type":"m.login.dummy","session":"s"},"username":"fuzz#","password":"PASSWORD","device_id":"D","initial_device_display_name":"telephone","inhibit_login":false,"refresh_token":true}"""),
        (3, "", "POST", "login", """{"type":"m.login.password","identifier":{"type":"m.id.user","user":"fuzz-login"},"user":"fuzz-login","password":"PASSWORD","device_id":"D#","initial_device_display_name":"telephone","refresh_token":true}"""),
        (1, "", "POST", "refresh", """{"refresh_token":"syr_a"}"""),
        (1, "=Bearer «syt_a»", "POST", "logout", """{"a":"b"}"""),
        (1, "=Bearer «syt_a»", "POST", "logout/all", """{"a":"b"}"""),
        (1, "=Bearer «syt_a»", "GET", "account/whoami?access_token=«a»", null),
        (1, "", "GET", "account/whoami?access_token=«syt_a»", null),
        (3, "sender", "POST", "user/«@fuzz-sender:hs1.localhost»/filter", """{"room":{"timeline":{"limit":20,"types":["m.room.message"]}},"presence":{"not_types":["*"]}}"""),
        (1, "sender", "GET", "user/«@fuzz-sender:hs1.localhost»/filter/«abc»", null),
        (2, "sender", "PUT", "user/«@fuzz-sender:hs1.localhost»/account_data/«m.ignored_user_list»", """{"ignored_users":{"@a#:hs1.localhost":{}}}"""),
        (1, "sender", "GET", "user/«@fuzz-sender:hs1.localhost»/account_data/«m.ignored_user_list»", null),
        (3, "uploader", "PUT", "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device", """{"device_id":"DRY#","device_data":{"algorithm":"a","device_pickle":"b"},"initial_device_display_name":"dry","device_keys":{"user_id":"@fuzz-uploader:hs1.localhost","device_id":"DRY#","algorithms":["a"],"keys":{"ed25519:DRY#":"AAAA"},"signatures":{},"dehydrated":true},"one_time_keys":{"curve25519:B#":"#"},"fallback_keys":{"signed_curve25519:F":{"key":"#","fallback":true}}}"""),
        (1, "uploader", "GET", "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/«DRY#»/events?from=«t»", null),
        (1, "uploader", "POST", "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/«DRY#»/events", """{"next_batch":"t"}"""),
        (2, "syncer", "GET", """sync?since=«s1.1»&timeout=«0»&filter=«{"room":{"timeline":{"limit":20}}}»&full_state=«false»&set_presence=«offline»""", null),
        (2, "syncer", "GET", """sync?timeout=«0»&filter=«{"room":{"timeline":{"limit":20}}}»""", null),
        (2, "syncer", "POST", "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?timeout=«0»", """{"txn_id":"t#","conn_id":"main","lists":{"all":{"ranges":[[0,20]],"timeline_limit":1}},"room_subscriptions":{"!a:hs1.localhost":{"timeline_limit":1}},"extensions":{"to_device":{"enabled":true,"limit":100,"since":null},"e2ee":{"enabled":true},"typing":{"enabled":true,"lists":["all"]}}}"""),
        (1, "syncer", "POST", "/_matrix/client/v4/sync?pos=«s1.1»", """{"extensions":{"org.matrix.msc4538.to_device":{"enabled":true,"limit":1,"since":"t1"},"org.matrix.msc4543.e2ee":{"enabled":true}}}"""),
        (1, "syncer", "POST", "/_matrix/client/v4/sync", """{"pos":null,"timeout":0,"set_presence":"offline","conn_id":"main","extensions":{"org.matrix.msc4538.to_device":{"enabled":true,"limit":1},"org.matrix.msc4543.e2ee":{"enabled":true}}}"""),
        (1, "syncer", "GET", "keys/changes?from=«s1.1»&to=«s1.2»", null),
        (1, "sender", "GET", "«pushrules»/«global»", null),
        (1, "=Bearer «syt_a»", "POST", "/_trial/restart?«a»=«b»", """{"a":"b"}"""),
        (1, "renamer", "GET", "/_trial/inbox?«a»=«b»", null),
        (1, "", "GET", "/_matrix/key/v2/server/«ed25519:a»", null),
        (1, "", "GET", "/«assets»/«index.html»?«a»=«b»", null),
    ];

    /// <summary>What a peer asks.</summary>
    public static IReadOnlyList<(int Weight, string Method, string Path, string? Body)> Peer { get; } =
    [
        (3, "POST", "user/keys/query", """{"device_keys":{"@fuzz-other:hs1.localhost":[],"@fuzz-uploader:hs1.localhost":["UPLOADER"],"@a:hs2.localhost":[]}}"""),
        (3, "POST", "user/keys/claim", """{"one_time_keys":{"@fuzz-uploader:hs1.localhost":{"UPLOADER":"signed_curve25519"},"@fuzz-other:hs1.localhost":{"OTHER":"curve25519"}}}"""),
        (2, "GET", "user/devices/«@fuzz-uploader:hs1.localhost»?«a»=«b»", null),
        (3, "PUT", "send/«fuzz#»", """{"origin":"hs2.localhost","origin_server_ts":1,"pdus":[{"event_id":"$a:hs2.localhost","type":"m.room.message","content":{}}],"edus":[{"edu_type":"m.typing","content":{"user_id":"@a:hs2.localhost"}}],"more":"a"}"""),
        (1, "GET", "version?«a»=«b»", null),
    ];

    /// <summary>What a peer tells.</summary>
    public static IReadOnlyList<(int Weight, string Json)> Edus { get; } =
    [
        (12, """{"edu_type":"m.direct_to_device","content":{"sender":"@mallory:hs2.localhost","type":"m.test","message_id":"fuzz#","messages":{"@fuzz-recipient:hs1.localhost":{"PHONE":CONTENT,"*":{"a":"b"}},"@nobody:hs1.localhost":{"*":{}}}}}"""),
        (4, """{"edu_type":"m.device_list_update","content":{"user_id":"@mallory:hs2.localhost","device_id":"MALLORY","device_display_name":"telephone","stream_id":5,"prev_id":[4],"deleted":false,"keys":{"user_id":"@mallory:hs2.localhost","device_id":"MALLORY","algorithms":["a"],"keys":{"ed25519:MALLORY":"AAAA"},"signatures":{}}}}"""),
        (2, """{"edu_type":"m.signing_key_update","content":{"user_id":"@mallory:hs2.localhost","master_key":{"user_id":"@mallory:hs2.localhost","usage":["master"],"keys":{"ed25519:AAAA":"AAAA"}},"self_signing_key":{"user_id":"@mallory:hs2.localhost","usage":["self_signing"],"keys":{"ed25519:BBBB":"BBBB"}}}}"""),
        (1, """{"edu_type":"m.presence","content":{"push":[{"user_id":"@mallory:hs2.localhost","presence":"online","last_active_ago":5000}]}}"""),
        (1, """{"edu_type":"m.typing","content":{"room_id":"!a:hs2.localhost","user_id":"@mallory:hs2.localhost","typing":true}}"""),
    ];

    /// <summary>What a peer answers. Users are named after the input, so that the peer knows which answer is theirs.</summary>
    public static IReadOnlyList<(int Weight, string Endpoint, string Json)> Answers { get; } =
    [
        (4, "user/keys/query", "query"),
        (3, "user/keys/claim", """{"one_time_keys":{"@n#:hs2.localhost":{"BOB":{"signed_curve25519:A":{"key":"AAAA","signatures":{"@n#:hs2.localhost":{"ed25519:BOB":"CCCC"}}}}}}}"""),
        (1, "user/devices/{userId}", """{"user_id":"@n#:hs2.localhost","stream_id":5,"devices":[{"device_id":"BOB","device_display_name":"telephone","keys":{"user_id":"@n#:hs2.localhost","device_id":"BOB","algorithms":["a"],"keys":{"ed25519:BOB":"AAAA"},"signatures":{}}}],"master_key":{"usage":["master"]}}"""),
        (1, "key/v2/server", "document"),
        (1, "send/{txnId}", """{"pdus":{"$a":{"error":"b"}}}"""),
    ];

    /// <summary>A template with the parts that several have.</summary>
    public static string Filled(string template) => template
        .Replace("CONTENT", """{"text":"#","org.matrix.msgid":"#","n":[1,{"a":"b"}],"algorithm":"m.olm.v1","ciphertext":{"AAAA":{"type":0,"body":"b"}},"sender_key":"k","more":{"a":1,"b":[2,"c",{"d":null}],"e":{"f":true}}}""", StringComparison.Ordinal)
        .Replace(
            "AUTH", """{"type":"m.login.password","session":"s","identifier":{"type":"m.id.user","user":"fuzz-deleter"},"user":"fuzz-deleter","password":"PASSWORD"}""",
            StringComparison.Ordinal)
        .Replace("PASSWORD", Homeserver.Password, StringComparison.Ordinal);
}
