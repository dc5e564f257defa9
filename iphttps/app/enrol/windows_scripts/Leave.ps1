# Reverts Join.ps1. In an administrator's prompt:
#
#     powershell -ExecutionPolicy Bypass -File .\Leave.ps1

$ErrorActionPreference = 'Stop'
$Uri = @URI@
$Certificate = @CERTIFICATE@
$Authority = @AUTHORITY@

function Remove-FromStore([string] $Thumbprint, [string] $StoreName) {
    $store = New-Object System.Security.Cryptography.X509Certificates.X509Store($StoreName, 'LocalMachine')
    $store.Open('ReadWrite')
    try {
        foreach ($found in @($store.Certificates | Where-Object { $_.Thumbprint -eq $Thumbprint })) {
            $store.Remove($found)
        }
    } finally {
        $store.Close()
    }
}

$user = New-Object System.Security.Principal.WindowsPrincipal([System.Security.Principal.WindowsIdentity]::GetCurrent())
if (-not $user.IsInRole([System.Security.Principal.WindowsBuiltInRole]::Administrator)) {
    Write-Host 'Administrator rights are required: open PowerShell with "Run as administrator" and run this script again.'
    exit 1
}

$shown = (netsh interface httpstunnel show interfaces | Out-String)
if ($shown.ToLower().Contains($Uri.ToLower())) {
    netsh interface httpstunnel delete interface
}
Remove-FromStore $Certificate 'My'
if ($Authority -ne '') {
    Remove-FromStore $Authority 'Root'
}
Write-Host 'Done. The interface and the certificates were removed.'
