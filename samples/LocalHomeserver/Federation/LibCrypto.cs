using System.Reflection;
using System.Runtime.InteropServices;

namespace LocalHomeserver;

/// <summary>The functions of OpenSSL's libcrypto that Ed25519 takes: .NET has no Ed25519, but on Linux needs libcrypto anyway.</summary>
internal static partial class LibCrypto
{
    /// <summary>OpenSSL's number for Ed25519.</summary>
    public const int Ed25519 = 1087;

    private const string Name = "libcrypto";

    static LibCrypto() => NativeLibrary.SetDllImportResolver(typeof(LibCrypto).Assembly, Resolve);

    [LibraryImport(Name, EntryPoint = "EVP_PKEY_new_raw_private_key")]
    public static partial Key NewPrivateKey(int type, nint engine, ReadOnlySpan<byte> seed, nuint length);

    [LibraryImport(Name, EntryPoint = "EVP_PKEY_new_raw_public_key")]
    public static partial Key NewPublicKey(int type, nint engine, ReadOnlySpan<byte> publicKey, nuint length);

    [LibraryImport(Name, EntryPoint = "EVP_PKEY_get_raw_public_key")]
    public static partial int GetPublicKey(Key key, Span<byte> publicKey, ref nuint length);

    [LibraryImport(Name, EntryPoint = "EVP_MD_CTX_new")]
    public static partial Context NewContext();

    [LibraryImport(Name, EntryPoint = "EVP_DigestSignInit")]
    public static partial int SignInit(Context context, nint keyContext, nint digest, nint engine, Key key);

    [LibraryImport(Name, EntryPoint = "EVP_DigestSign")]
    public static partial int Sign(Context context, Span<byte> signature, ref nuint signatureLength, ReadOnlySpan<byte> data, nuint length);

    [LibraryImport(Name, EntryPoint = "EVP_DigestVerifyInit")]
    public static partial int VerifyInit(Context context, nint keyContext, nint digest, nint engine, Key key);

    [LibraryImport(Name, EntryPoint = "EVP_DigestVerify")]
    public static partial int Verify(
        Context context, ReadOnlySpan<byte> signature, nuint signatureLength, ReadOnlySpan<byte> data, nuint length);

    /// <summary>A failure leaves errors on its thread, where TLS would find them.</summary>
    [LibraryImport(Name, EntryPoint = "ERR_clear_error")]
    public static partial void ClearErrors();

    [LibraryImport(Name)]
    private static partial void EVP_PKEY_free(nint key);

    [LibraryImport(Name)]
    private static partial void EVP_MD_CTX_free(nint context);

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath)
    {
        if (name != Name) return 0;

        // With this variable .NET itself is told which OpenSSL to take.
        var version = Environment.GetEnvironmentVariable("CLR_OPENSSL_VERSION_OVERRIDE");
        string[] files = ["libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.3.dylib", "libcrypto-3-x64", "libcrypto"];
        foreach (var file in version is null ? files : [$"libcrypto.so.{version}", .. files])
        {
            if (NativeLibrary.TryLoad(file, assembly, searchPath, out var library)) return library;
        }

        throw new DllNotFoundException("Federation needs OpenSSL's libcrypto, version 1.1.1 or newer. Install OpenSSL.");
    }

    internal sealed class Key() : Handle(EVP_PKEY_free);

    internal sealed class Context() : Handle(EVP_MD_CTX_free);

    internal abstract class Handle(Action<nint> free) : SafeHandle(0, ownsHandle: true)
    {
        public override bool IsInvalid => handle == 0;

        protected override bool ReleaseHandle()
        {
            free(handle);
            return true;
        }
    }
}
